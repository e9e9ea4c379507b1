"""What tests on a cluster share: a pretraining of two pods of two processes, its outputs and its curve."""

import sys
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.checkouts import TINY
from tests.remote import Remote

BATCH = {"batch_size": 32, "group_size": 8}
SHARED = {name: TINY[name] | BATCH for name in ("pretrain", "highres", "distill")}
PROCESSES = "4"
"""Of the local launcher, as many as two pods of two."""
WEIGHTS = ("weights/pretrain.safetensors", "weights/pretrain.training.safetensors")
FLOW = (sys.executable, "-m", "flows.pipeline")


def pretraining_runs(client: MlflowClient) -> list[Run]:
    """Those in MLflow that are not deleted."""
    experiment = client.get_experiment_by_name("dinov2")
    if not experiment:
        return []
    return [each for each in client.search_runs([experiment.experiment_id]) if each.info.run_name == "pretrain"]


def assert_curve_in_mlflow(remote: Remote, root: Path) -> None:
    """Every point of the loss curve is in MLflow."""
    client = MlflowClient(remote.mlflow.url)
    (found,) = pretraining_runs(client)
    assert found.info.status == "FINISHED"
    curve = pd.read_csv(root / "plots/pretrain.csv")
    points = {point.step: point.value for point in client.get_metric_history(found.info.run_id, "loss")}
    assert sorted(points) == list(curve["iteration"])
    assert [points[step] for step in sorted(points)] == pytest.approx(list(curve["loss"]), rel=1e-5)

"""MLflow is away, and who had its figures is killed meanwhile."""

import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from dinov2.registry.tracking import tracked
from dinov2.settings import Settings
from tests.checkouts import environment
from tests.remote import Mlflow

pytestmark = pytest.mark.slow
FIRST = """
import sys
from pathlib import Path
from dinov2.registry.tracking import tracked
from dinov2.settings import load_settings
with tracked(load_settings(), Path(sys.argv[1]), "pretrain", "d1", {}, {}) as run:
    for step in map(int, sys.stdin):
        run.log(step, {"loss": 1.0 / step})
        print(run.run_id, flush=True)
"""


def test_another_process_in_another_folder_completes_the_curve_in_the_same_run(tmp_path: Path) -> None:
    mlflow = Mlflow(tmp_path, str(tmp_path / "artifacts"), {})
    mlflow.start()
    try:
        command = [sys.executable, "-c", FIRST, str(tmp_path / "one")]
        first = subprocess.Popen(
            command, env=environment(DINOV2_TRACKING=mlflow.url), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert first.stdin
        assert first.stdout
        run_id = ""
        for step in range(1, 9):
            if step == 4:
                mlflow.stop()
            first.stdin.write(f"{step}\n")
            first.stdin.flush()
            run_id = first.stdout.readline().strip()
        first.kill()
        first.wait()
        mlflow.start()
        with tracked(Settings(tracking=mlflow.url), tmp_path / "other", "pretrain", "d1", {}, {}) as second:
            second.restore({step: {"loss": 1.0 / step} for step in range(1, 7)})
            for step in range(7, 11):
                second.log(step, {"loss": 1.0 / step})
        client = MlflowClient(mlflow.url)
        assert second.run_id == run_id
        points = client.get_metric_history(run_id, "loss")
        assert sorted((point.step, point.value) for point in points) == [(step, 1.0 / step) for step in range(1, 11)]
        assert client.get_run(run_id).info.status == "FINISHED"
        assert [run.info.run_id for run in client.search_runs(["1"])] == [run_id]
    finally:
        mlflow.stop()

"""Training that is killed, or shared out to processes, in the whole way."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from tests.checkouts import Checkout, environment, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]


def test_pretraining_killed_outright_ends_with_the_same_weights(walked: Path, checkout: Checkout) -> None:
    root = checkout("killed")
    for name in ("curated", "shards"):
        shutil.copy(walked / f"data/{name}.parquet", root / "data")
    settings = {"DINOV2_CHECKPOINT_SECONDS": "0", "DINOV2_STORE": str(root / "var/store")}
    shutil.copytree(walked / "var/store/shards", root / "var/store/shards")
    stage = subprocess.Popen(
        ["dinov2", "pretrain"], cwd=root, env=environment(**settings), start_new_session=True, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not any((root / "var/store/training").glob("*/*.complete")):
        assert stage.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline, "no checkpoint came"
        time.sleep(0.05)
    os.killpg(stage.pid, signal.SIGKILL)
    stage.wait()
    assert not (root / "weights/pretrain.safetensors").exists()
    said = run(root, "dinov2", "pretrain", **settings)
    assert "pretrain: " in said
    for name in ("weights/pretrain.safetensors", "weights/pretrain.training.safetensors", "plots/pretrain.csv"):
        assert (root / name).read_bytes() == (walked / name).read_bytes(), name


def test_two_processes_train_the_same_backbone_to_rounding(walked: Path, checkout: Checkout) -> None:
    params = yaml.safe_load((walked / "params.yaml").read_text())
    params["pretrain"] |= {"precision": "fp32", "epochs": 1, "epoch_length": 5}
    params["pretrain"]["optimiser"] |= {"warmup_epochs": 0}
    curves = []
    for processes in ("1", "2"):
        root = checkout(f"processes-{processes}")
        (root / "params.yaml").write_text(yaml.safe_dump(params))
        shutil.copytree(walked / "var/store/shards", root / "var/store/shards")
        for name in ("curated", "shards"):
            shutil.copy(walked / f"data/{name}.parquet", root / "data")
        run(root, "dinov2", "pretrain", DINOV2_PROCESSES=processes)
        lines = (root / "plots/pretrain.csv").read_text().splitlines()
        curves.append([float(line.split(",")[1]) for line in lines[1:]])
    assert curves[0] == pytest.approx(curves[1], rel=2e-5)  # the curve has six digits

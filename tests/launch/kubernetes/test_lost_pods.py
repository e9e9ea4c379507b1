"""Pods that train together, and one that is lost."""

import signal
import time
from pathlib import Path

import cv2
import pytest
import yaml
from numpy.random import default_rng

from dinov2.launch import launch
from dinov2.launch.kubernetes.exchange import bring_back, finished
from dinov2.settings import Settings
from dinov2.stages import ingest, pack
from dinov2.stages.context import Context
from dinov2.stages.files import CURATED, MANIFEST
from dinov2.stages.params import load_params
from dinov2.stages.training_job import job_of
from dinov2.storage import Store
from tests.launch.kubernetes.pods import MOST_S, NAME, ROOT, Pods


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Context:
    """A workspace that is ready to train on twelve images for some steps."""
    root = tmp_path_factory.mktemp("checkout")
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    (root / "pool").mkdir()
    for seed in range(12):
        noise = default_rng(seed).integers(0, 256, (6, 8, 3)).astype("uint8")
        cv2.imwrite(str(root / "pool" / f"{seed}.png"), cv2.resize(noise, (64, 48)))
    content["ingest"] = {"sources": [{"name": "pool", "uri": str(root / "pool"), "role": "pool"}]}
    content["pack"] = {"write": False}
    content["pretrain"]["model"] |= {"embed_dim": 32, "depth": 1, "num_heads": 1}
    content["pretrain"]["heads"] |= {"prototypes": 16, "hidden": 16}
    content["pretrain"] |= {"batch_size": 8, "group_size": 2, "epochs": 4, "epoch_length": 4, "precision": "fp32"}
    (root / "params.yaml").write_text(yaml.safe_dump(content))
    (root / "dvc.yaml").write_text("stages: {}\n")
    settings = Settings(
        store=str(root / "store"),
        tracking=f"sqlite:///{root}/mlflow.db",
        workers=0,
        threads=1,
        processes=4,
        device="cpu",
    )
    context = Context(root, load_params(root), settings)
    ingest.run(context)
    (root / MANIFEST).rename(root / CURATED)
    pack.run(context)
    return context


@pytest.fixture(scope="module")
def undisturbed(checkout: Context) -> dict[str, bytes]:
    """Outputs of a run of the local launcher."""
    job = job_of(checkout, "pretrain")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("store", "tracking", "workers", "threads", "processes", "device"):
            patch.setenv(f"DINOV2_{name.upper()}", str(getattr(checkout.settings, name)))
        launch(job, checkout.settings, checkout.root)
    return {path.name: path.read_bytes() for path in job.outputs}


def checkpoints(store: Store) -> list[str]:
    return [name for name in store.list("training") if name.endswith(".complete")]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_losing_the_pod_where_the_others_meet_costs_no_more_than_the_time_since_the_last_checkpoint(
    checkout: Context, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    job = job_of(checkout, "pretrain")
    for path in job.outputs:
        path.unlink(missing_ok=True)
    pods = Pods(job, checkout.root, tmp_path, nodes=2, processes=2, DINOV2_CHECKPOINT_SECONDS="0", DINOV2_DEVICE="cpu")
    try:
        pods.start(0)
        pods.start(1)
        deadline = time.monotonic() + MOST_S
        while not checkpoints(pods.store):
            assert time.monotonic() < deadline, pods.logs()
            assert pods.running[0].poll() is None, pods.logs()
            time.sleep(0.05)
        pods.running[0].kill()
        assert pods.wait(0) == -signal.SIGKILL
        pods.start(0)  # while the other does not know yet
        pods.go_on()
        assert finished(job, NAME, pods.store)
        bring_back(job, NAME, checkout.root, pods.store)
    finally:
        pods.stop()
    assert pods.attempts == {0: 1, 1: 1}, pods.logs()
    assert {path.name: path.read_bytes() for path in job.outputs} == undisturbed

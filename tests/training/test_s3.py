"""Training whose images and checkpoints are in a bucket, when the server goes away."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch

from dinov2.data.config import SourceConfig
from dinov2.data.sources import ImageReader
from dinov2.storage import Store, patience
from dinov2.storage.s3 import CHUNK
from dinov2.training.checkpoints import Checkpoints, complete
from dinov2.training.loop import train
from dinov2.training.work import Place, Work
from tests.lab import ObjectStore
from tests.outage import away

pytestmark = [pytest.mark.slow, pytest.mark.s3]
AWAY_S = 30.0


class Outage:
    """A tracker in whose third step the server goes away."""

    def __init__(self, server: ObjectStore) -> None:
        self.server, self.steps = server, list[int]()
        self.over = threading.Timer(AWAY_S, server.start)

    def restore(self, rows: Mapping[int, dict[str, float]]) -> None:
        assert not rows

    def log(self, step: int, _: dict[str, float]) -> None:
        self.steps.append(step)
        if step == 3:
            self.server.stop()
            self.over.start()


def test_a_server_that_is_away_for_half_a_minute_changes_no_weight(
    bucket: Store, object_store: ObjectStore, photographs: Path, tmp_path: Path,
    work: Callable[..., Work], place: Callable[..., Place], capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for path in photographs.iterdir():
        bucket.upload(path, f"pool/{path.name}")
    reader = ImageReader([SourceConfig(name="pool", uri=bucket.url_of("pool"), role="pool")], bucket, tmp_path)
    # Images are loaded four steps ahead: those of the last steps are not there yet when the server goes.
    config = work("any").config.model_copy(update={"epochs": 10})
    disturbed, undisturbed = (work(name, config=config) for name in ("disturbed", "undisturbed"))
    train(undisturbed, place())
    capfd.readouterr()
    outage = Outage(object_store)
    train(disturbed, place(store=bucket, reader=reader, workers=1, checkpoint_seconds=2.0), outage)
    outage.over.join()
    assert outage.steps == list(range(1, 11))
    assert disturbed.backbone.read_bytes() == undisturbed.backbone.read_bytes()
    assert complete(bucket, disturbed.digest)[-1] == 10
    said = [line for line in capfd.readouterr().err.splitlines() if "tried again" in line]
    assert any(line.startswith(bucket.url_of("pool")) for line in said), "the loading process waited, and says so"
    assert len(said) < 6, "a server that comes back may stumble once more"


@pytest.mark.usefixtures("alone")
def test_a_large_checkpoint_is_written_when_the_server_is_back(
    bucket: Store, object_store: ObjectStore, capfd: pytest.CaptureFixture[str]
) -> None:
    saved = {"weight": torch.arange(CHUNK).float(), "bias": torch.arange(7)}  # four parts
    checkpoints = Checkpoints(bucket, "d")
    with away(object_store, 8.0):
        checkpoints.save(1, saved, {"rows": [1]})
        checkpoints.wait()
    said = capfd.readouterr().err.splitlines()
    assert any(line.startswith(bucket.url_of("training/d/00000001")) and "tried again" in line for line in said)
    assert complete(bucket, "d") == [1]
    loaded = {name: torch.zeros_like(value) for name, value in saved.items()}
    assert checkpoints.load_newest(loaded) == (1, {"rows": [1]})
    assert all(torch.equal(loaded[name], saved[name]) for name in saved)


@pytest.mark.usefixtures("alone")
def test_a_save_that_was_given_up_leaves_no_checkpoint_and_the_next_succeeds(
    bucket: Store, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    state = {"weight": torch.arange(CHUNK).float()}
    checkpoints = Checkpoints(bucket, "d")
    checkpoints.save(1, state, {})
    checkpoints.wait()
    with monkeypatch.context() as impatient, away(object_store, 10.0):
        impatient.setattr(patience, "PATIENCE_S", 2.0)
        checkpoints.save(2, state, {})
        checkpoints.settle()
    said = capfd.readouterr().err.splitlines()
    assert any("d/00000002: this checkpoint could not be written: rank 0: " in line for line in said)
    assert complete(bucket, "d") == [1]
    checkpoints.save(3, state, {})
    checkpoints.wait()
    assert complete(bucket, "d") == [1, 3]
    assert {name.split("/")[2] for name in bucket.list("training/d")} == {
        "00000001", "00000001.complete", "00000003", "00000003.complete"
    }  # fmt: skip

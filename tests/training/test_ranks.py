"""What is learnt does not depend on how many processes learn it: real ones here, which talk over gloo."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from dinov2.data.config import SourceConfig
from dinov2.data.order import image_at
from dinov2.data.sources import ImageReader
from dinov2.errors import EXIT_USER_ERROR, told_in_one_line
from dinov2.models.weights import load_tensors, save_tensors
from dinov2.stages.training_job import _stoppable
from dinov2.storage import Store, file_sha256
from dinov2.training import crops, loop, projection
from dinov2.training.config import TrainingConfig
from dinov2.training.execution import Execution
from dinov2.training.objective import Losses
from dinov2.training.projection import Projection
from dinov2.training.sharding import process_group
from dinov2.training.stopping import EXIT_AGAIN
from dinov2.training.targets import ASSIGNERS
from dinov2.training.work import Place, Work

SEED, BATCH, STEPS, WIDTH = 3, 8, 5, 32
PATIENCE_S = 120
HEADS = {"prototypes": 24, "hidden": 32, "dino_bottleneck": 8, "ibot_bottleneck": 8}
CONFIG: dict[str, Any] = {
    "model": {
        "arch": "vit_tiny",
        "embed_dim": WIDTH,
        "depth": 2,
        "num_heads": 2,
        "patch_size": 8,
        "drop_path": 0.5,
        "layerscale": 1.0,  # so that a branch that is dropped is missed
    },
    "heads": HEADS,
    "crops": {"global_size": 32, "local_size": 16, "local_count": 2},
    "optimiser": {
        "base_lr": 0.01,
        "warmup_epochs": 1,
        "frozen_last_layer_epochs": 0.5,
        "teacher_momentum": [0.8, 1.0],
    },
    "batch_size": BATCH,
    "group_size": 2,
    "epochs": STEPS,
    "epoch_length": 1,
    "precision": "fp32",
    "initialisation": "fan_in",
}
CENTRED = {"objective": {"targets": "centring"}, "heads": HEADS | {"shared": True}}
FEW_MASKED = {"masks": {"probability": 0.1}}
"""One crop of a step's 16, so that three of four processes have no patch to predict."""
IN_PARTS = {"microbatch": 2}
SPLITS = ((7, 4), (11, 0))
"""Rows of two processes."""


@dataclass(frozen=True)
class Told:
    """What some processes do together.

    Attributes:
        name: of the results.
        world: number of processes.
        task: key of `TASKS`.
        config: what differs from `CONFIG`.
        execution: what differs from the default.
        after: run whose checkpoints are there at the start.
        teacher: run whose average is to be learnt from.
        stop: step after which the last process alone is told to stop.
        poison: what is not finite on the last process alone: "pixels", or "value" of a loss without its gradient.
        poisoned: steps, counted from 1, where it is.
    """

    name: str
    world: int = 1
    task: str = "train"
    config: dict[str, Any] = field(default_factory=dict)
    execution: dict[str, Any] = field(default_factory=dict)
    after: str = ""
    teacher: str = ""
    stop: int = 0
    poison: str = "pixels"
    poisoned: Sequence[int] = ()


FAST = (
    Told("one"),
    Told("two in parts", 2, execution=IN_PARTS),
    Told("one centred", config=CENTRED),
    Told("two centred", 2, config=CENTRED),
    Told("assigned", 2, task="assign"),
)
SLOW = (
    Told("one"),
    Told("two", 2),
    Told("four", 4),
    Told("one in parts", execution=IN_PARTS),
    Told("four in pairs", 4, execution={"shard_over": 2}),
    Told("stopped", 2, stop=3),
    Told("on with two", 2, after="stopped"),
    Told("on with one", after="stopped"),
    Told("on with four in pairs", 4, after="stopped", execution={"shard_over": 2}),
    Told("one centred", config=CENTRED),
    Told("centred stopped", 2, config=CENTRED, stop=3),
    Told("centred on with four", 4, config=CENTRED, after="centred stopped"),
    Told("one with few masked", config=FEW_MASKED),
    Told("four with few masked", 4, config=FEW_MASKED),
    Told("one of ibot", config={"method": "ibot"} | FEW_MASKED),
    Told("two of ibot in parts", 2, config={"method": "ibot"} | FEW_MASKED, execution=IN_PARTS),
    Told("one distilled", teacher="one"),
    Told("two distilled in parts", 2, teacher="one", execution=IN_PARTS),
    Told("one that skips", poisoned=[3]),
    Told("two that skip pixels", 2, poisoned=[3]),
    Told("two that skip a value", 2, poison="value", poisoned=[3]),
    Told("two at the limit", 2, config={"skip_limit": 1}, poison="value", poisoned=[1, 3, 4]),
)


class Results:
    """What runs of `SLOW` or `FAST` left in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def codes(self, name: str) -> list[int]:
        """Exit codes of a run's processes."""
        return json.loads((self.folder / name / "codes.json").read_text())

    def said(self, name: str) -> list[str]:
        """What each process wrote to standard error."""
        return [path.read_text() for path in sorted((self.folder / name).glob("rank-*.err"))]

    def rows(self, name: str) -> list[dict[str, float]]:
        """The loss curve, which must be the same on all processes."""
        assert not any(self.codes(name)), "\n".join(self.said(name))
        curves = [json.loads(path.read_text()) for path in sorted((self.folder / name).glob("rank-*.json"))]
        assert len(curves) == len(self.codes(name))
        assert all(curve == curves[0] for curve in curves)
        return curves[0]

    def file(self, name: str) -> Path:
        """Student and average with their heads."""
        return self.folder / name / "training.safetensors"

    def assert_same(self, name: str, other: str, rel: float = 1e-5) -> None:
        """Assert that two runs measured and learnt the same, all tensors relative to their largest number."""
        for row, expected in zip(self.rows(name), self.rows(other), strict=True):
            assert row == pytest.approx(expected, rel=rel)
        found, meant = load_tensors(self.file(name))[0], load_tensors(self.file(other))[0]
        assert found.keys() == meant.keys()
        for key, tensor in meant.items():
            distance = (found[key] - tensor).abs()
            if key.endswith("qkv.bias"):
                # A bias of the keys adds the same to all scores of a query, which the softmax ignores: its gradient is
                # rounding and nothing else, and AdamW takes a step all the same.
                distance = torch.cat([distance[:WIDTH], distance[2 * WIDTH :]])
            assert distance.max() <= rel * tensor.abs().max(), key


@pytest.fixture(scope="session")
def fast(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    return done(FAST, photographs, tmp_path_factory.mktemp("fast"))


@pytest.fixture(scope="session")
def slow(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    return done(SLOW, photographs, tmp_path_factory.mktemp("slow"))


def done(all_told: Sequence[Told], photographs: Path, folder: Path) -> Results:
    """Do them in a process of their own."""
    told = json.dumps([asdict(each) for each in all_told])
    subprocess.run([sys.executable, __file__, str(folder), str(photographs), told], check=True)
    return Results(folder)


def test_two_processes_learn_in_two_parts_each_what_one_does_at_once(fast: Results) -> None:
    fast.assert_same("two in parts", "one")
    assert len(fast.rows("one")) == STEPS


def test_two_processes_with_centring_and_one_head_learn_what_one_does(fast: Results) -> None:
    fast.assert_same("two centred", "one centred")


@pytest.mark.parametrize("kind", ASSIGNERS)
@pytest.mark.parametrize("split", SPLITS)
def test_assignments_are_made_over_the_rows_of_all_processes(kind: str, split: tuple[int, int], fast: Results) -> None:
    assert fast.codes("assigned") == [0, 0], fast.said("assigned")
    parts = [load_tensors(fast.folder / "assigned" / f"{kind} {split} {rank}.safetensors")[0] for rank in range(2)]
    for step, expected in assignments(kind, [sum(split)], 0).items():
        torch.testing.assert_close(torch.cat([part[step] for part in parts]), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("two", "one"),
        ("four", "one"),
        ("one in parts", "one"),
        ("four in pairs", "one"),
        ("on with one", "one"),
        ("on with four in pairs", "one"),
        ("centred on with four", "one centred"),
        ("four with few masked", "one with few masked"),
        ("two of ibot in parts", "one of ibot"),
        ("two distilled in parts", "one distilled"),
        ("two that skip pixels", "one that skips"),
        ("two that skip a value", "one that skips"),
    ],
)
def test_however_many_processes_and_parts_and_stops_the_same_is_learnt(name: str, other: str, slow: Results) -> None:
    slow.assert_same(name, other)


@pytest.mark.slow
def test_two_processes_that_were_stopped_end_with_the_same_bytes(slow: Results) -> None:
    assert slow.rows("on with two") == slow.rows("two")
    for file in ("training.safetensors", "backbone.safetensors"):
        assert (slow.folder / "on with two" / file).read_bytes() == (slow.folder / "two" / file).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["stopped", "centred stopped"])
def test_a_stop_that_only_the_last_process_hears_of_stops_all_after_the_same_step(name: str, slow: Results) -> None:
    assert slow.codes(name) == [EXIT_AGAIN] * 2
    assert all(f"{name}: told to stop; saved after step 3 of 5\n" in text for text in slow.said(name))
    markers = [path.name for path in (slow.folder / name / "store").rglob("*.complete")]
    assert markers == ["00000003.complete"]


@pytest.mark.slow
@pytest.mark.parametrize("name", [each.name for each in SLOW if each.after])
def test_any_number_of_processes_goes_on_where_two_stopped(name: str, slow: Results) -> None:
    assert json.loads((slow.folder / name / "steps.json").read_text()) == [4, 5]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["two that skip pixels", "two that skip a value"])
def test_a_step_that_is_not_finite_on_one_process_is_skipped_by_all(name: str, slow: Results) -> None:
    assert [(row["iteration"], row["skipped"]) for row in slow.rows(name)] == [(1, 0), (2, 0), (4, 1), (5, 1)]
    assert [text.count(f"{name}: step 3 skipped, 1 in a row of at most 3: loss ") for text in slow.said(name)] == [1, 0]


@pytest.mark.slow
def test_past_the_limit_all_processes_stop_and_name_the_images_of_all(slow: Results) -> None:
    name = "two at the limit"
    assert slow.codes(name) == [EXIT_USER_ERROR] * 2
    images = [f"{image_at(position, 12, SEED)[0]:02}.png" for position in range(3 * BATCH, 4 * BATCH)]
    for text in slow.said(name):
        error = text.splitlines()[-1]
        assert error.startswith(f"error: {name}: step 4: a loss or gradient is not finite, and 2 steps in a row have ")
        assert error.endswith(f"The images of this step: {', '.join(images)}")
    assert not slow.file(name).exists()


def assignments(kind: str, split: Sequence[int], rank: int) -> dict[str, Tensor]:
    """One process's share of the assignments of some steps, by step; its rows come in two parts."""
    assigner, random, found = ASSIGNERS[kind](5), torch.Generator().manual_seed(0), {}
    prototypes = torch.randn(5, 4, generator=random)
    for step in range(3):
        own = torch.randn(sum(split), 4, generator=random).split(list(split))[rank]
        parts = [Projection(part, prototypes) for part in own.tensor_split([2])]
        found[str(step)] = torch.cat([part(slice(None)) for part in assigner.assign(parts, 0.1)])
        assigner.commit()
    return found


def assign(folder: Path, _photographs: Path, told: Told, rank: int) -> None:
    """Assign as one of the processes, a chunk of a few logits at a time."""
    with process_group(torch.device("cpu")), patch.dict(projection.CHUNK, cpu=16):
        for kind in ASSIGNERS:
            for split in SPLITS:
                path = folder / told.name / f"{kind} {split} {rank}.safetensors"
                save_tensors(path, assignments(kind, split, rank), {})


def train(folder: Path, photographs: Path, told: Told, rank: int) -> None:
    """Train as one of the processes, and leave the loss curve."""
    names = sorted(path.name for path in photographs.iterdir())
    digests = [file_sha256(photographs / name) for name in names]
    work = Work(
        name=told.name,
        config=TrainingConfig.model_validate(CONFIG | told.config),
        seed=SEED,
        images=pa.table({"key": names, "source": ["pool"] * len(names), "uri": names, "sha256": digests}),
        images_digest="",
        backbone=folder / told.name / "backbone.safetensors",
        training=folder / told.name / "training.safetensors",
        teacher=folder / told.teacher / "training.safetensors" if told.teacher else None,
    )
    store = Store(str(folder / told.name / "store"))
    reader = ImageReader([SourceConfig(name="pool", uri=str(photographs), role="pool")], store, folder)
    place = Place(store, reader, torch.device("cpu"), 0, 1e9, Execution(**told.execution))
    last, tracker = rank == told.world - 1, StopAfter(told.stop)
    if last:
        poison(told)
    with told_in_one_line():
        history = _stoppable([(work, tracker if last else None)], place)
    (folder / told.name / f"rank-{rank}.json").write_text(json.dumps(history.rows))
    if last:
        (folder / told.name / "steps.json").write_text(json.dumps(tracker.steps))


TASKS = {"train": train, "assign": assign}


class StopAfter:
    """A tracker that has this process told to stop after a step."""

    def __init__(self, step: int) -> None:
        self.step = step
        self.steps: list[int] = []

    def restore(self, rows: Mapping[int, dict[str, float]]) -> None:
        pass

    def log(self, step: int, _: dict[str, float]) -> None:
        self.steps.append(step)
        if step == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


def poison(told: Told) -> None:
    """Have this process meet what is not finite."""
    usual, normalise, terms = loop.train_step, crops.normalise, Losses.terms
    harm = {
        "pixels": patch.object(crops, "normalise", lambda images: normalise(images) * torch.nan),
        "value": patch.object(Losses, "terms", lambda losses: terms(losses) | {"koleo": torch.tensor(torch.inf)}),
    }[told.poison]

    def train_step(*arguments: Any) -> Any:
        with harm if arguments[-1] + 1 in told.poisoned else nullcontext():
            return usual(*arguments)

    loop.train_step = train_step


def start(folder: Path, photographs: Path, told: Told, rank: int, port: int) -> None:
    """Be one of the processes that torchrun starts."""
    os.environ |= {
        "RANK": str(rank),
        "WORLD_SIZE": str(told.world),
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "test",
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }
    torch.set_num_threads(1)
    with (folder / told.name / f"rank-{rank}.err").open("w") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    TASKS[told.task](folder, photographs, told, rank)


def start_all(folder: Path, photographs: Path, told: Told) -> None:
    """Fork the processes from this one, which has done nothing yet but import, and wait for them."""
    fork, store = multiprocessing.get_context("fork"), dist.TCPStore("localhost", 0, is_master=True)
    (folder / told.name).mkdir()
    if (before := folder / told.after / "store").is_dir():
        shutil.copytree(before, folder / told.name / "store")
    ranks = [fork.Process(target=start, args=(folder, photographs, told, r, store.port)) for r in range(told.world)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(PATIENCE_S)
    for process in ranks:
        process.kill()
        process.join()
    (folder / told.name / "codes.json").write_text(json.dumps([process.exitcode for process in ranks]))


if __name__ == "__main__":
    for each in json.loads(sys.argv[3]):
        start_all(Path(sys.argv[1]), Path(sys.argv[2]), Told(**each))

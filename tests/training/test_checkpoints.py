import hashlib
import json
import multiprocessing
import re
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from fsspec.implementations.local import LocalFileSystem
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.optim import AdamW

from dinov2.errors import DataError, UnreachableError, UserError
from dinov2.storage import Store
from dinov2.training.checkpoints import Checkpoints
from dinov2.training.sharding import process_group

FLAT = StateDictOptions(flatten_optimizer_state_dict=True)


class Pupil:
    """A network whose rows divide over no number of ranks, sharded, with its optimiser."""

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.network = nn.Sequential(nn.Linear(5, 7), nn.GELU(), nn.Linear(7, 3))
        for part in (self.network[0], self.network[2], self.network):
            fully_shard(part)
        self.optimiser = AdamW(self.network.parameters(), lr=0.01 * seed)
        self.centre = torch.full((3,), float(seed))

    def step(self) -> None:
        """Change the weights, the optimiser's state and the plain tensor in place."""
        self.network(torch.randn(4, 5)).square().sum().backward()
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.centre.mul_(0.9)

    def state(self) -> dict[str, Any]:
        return {
            "network": get_model_state_dict(self.network),
            "optimiser": get_optimizer_state_dict(self.network, self.optimiser, options=FLAT),
            "objective": {"centre": self.centre},
        }

    def load(self, state: dict[str, Any]) -> None:
        set_model_state_dict(self.network, state["network"])
        set_optimizer_state_dict(self.network, self.optimiser, state["optimiser"], options=FLAT)
        self.centre.copy_(state["objective"]["centre"])

    def fingerprint(self) -> str:
        """SHA-256 of all that is trained, gathered from all ranks: the same for any number of them."""
        whole = hashlib.sha256()
        for part, content in self.state().items():
            for name, value in sorted(content.items()):
                plain = value.full_tensor() if isinstance(value, DTensor) else value
                whole.update(f"{part} {name} {plain.tolist() if isinstance(plain, Tensor) else plain};".encode())
        return whole.hexdigest()


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """A process group of this process."""
    with process_group(torch.device("cpu")):
        yield


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def tensors(value: float) -> dict[str, Any]:
    return {"a": {"weight": torch.full((4, 3), value)}, "b": torch.tensor([value])}


def saved(store: Store, *steps: int, **told: Any) -> Checkpoints:
    """Checkpoints of the run `d`, each of whose numbers is its step."""
    checkpoints = Checkpoints(store, "d", **told)
    for step in steps:
        checkpoints.save(step, tensors(float(step)), {"rows": [step]})
    checkpoints.wait()
    return checkpoints


def loaded(checkpoints: Checkpoints) -> tuple[int, float]:
    """The step of the checkpoint that was used, and the number it held."""
    state = tensors(-1.0)
    result = checkpoints.load_newest(state)
    assert result is not None
    assert result[1] == {"rows": [result[0]]}
    values = {*state["a"]["weight"].flatten().tolist(), *state["b"].tolist()}
    assert len(values) == 1
    return result[0], values.pop()


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def test_sharded_state_goes_from_one_rank_to_two_to_four_and_back(tmp_path: Path, store: Store) -> None:
    one = Pupil(seed=1)
    one.step()
    checkpoints = Checkpoints(store, "d")
    checkpoints.save(1, one.state(), {"curve": [1]})
    checkpoints.wait()

    two = run_ranks(2, tmp_path)
    assert {(rank["before"], rank["loaded"]) for rank in two} == {(two[0]["before"], one.fingerprint())}
    assert two[0]["before"] != one.fingerprint()
    assert [rank["step"] for rank in two] == [1, 1]
    # Rank 1's disk was full at step 3: both know, both go on.
    assert two[0]["failure"] == two[1]["failure"]
    assert "d/00000003: this checkpoint could not be written: rank 1: OSError: [Errno 27]" in two[0]["failure"]
    assert checkpoints.steps() == [2, 4]

    flip(tmp_path / "store/training/d/00000004/__1_0.distcp")
    four = run_ranks(4, tmp_path)
    assert [(rank["step"], rank["extra"], rank["loaded"]) for rank in four] == [(2, {"rank": 0}, two[0]["saved"])] * 4

    back = Pupil(seed=5)
    state = back.state()
    assert checkpoints.load_newest(state) == (2, {"rank": 0})
    back.load(state)
    assert back.fingerprint() == two[0]["saved"] != one.fingerprint()


def test_what_changes_after_the_call_is_not_stored(store: Store) -> None:
    pupil, checkpoints, gate = Pupil(seed=1), Checkpoints(store, "d"), threading.Event()
    pupil.step()
    before, extra = pupil.fingerprint(), {"rows": [1]}
    checkpoints._thread.submit(gate.wait)
    checkpoints.save(1, pupil.state(), extra)
    pupil.step()
    extra["rows"].append(2)
    assert checkpoints.steps() == []
    gate.set()
    checkpoints.wait()
    assert pupil.fingerprint() != before
    state = pupil.state()
    assert checkpoints.load_newest(state) == (1, {"rows": [1]})
    pupil.load(state)
    assert pupil.fingerprint() == before


@pytest.mark.parametrize(
    ("name", "harm", "said"),
    [
        ("00000002/__0_0.distcp", flip, "00000002/__0_0.distcp: its checksum differs"),
        ("00000002/.metadata", flip, "00000002/.metadata: its checksum differs"),
        ("00000002/extra.json", flip, "00000002/extra.json: its checksum differs"),
        ("00000002/__0_0.distcp", truncate, r"00000002/__0_0.distcp: \d+ bytes where \d+ were written"),
        ("00000002/__0_0.distcp", Path.unlink, "00000002/__0_0.distcp: missing"),
        ("00000002.complete", truncate, "00000002.complete: not a list of checksums"),
    ],
)
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(
    name: str, harm: Any, said: str, store: Store, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    checkpoints = saved(store, 1, 2)
    harm(tmp_path / "store/training/d" / name)
    assert loaded(checkpoints) == (1, 1.0)
    url = str(tmp_path / "store/training/d/00000002")
    text = capfd.readouterr().err
    assert text.count("\n") == 1
    assert text.startswith(f"{url}: damaged, not used: training/d/")
    assert re.search(said, text)


def test_a_damaged_checkpoint_goes_with_the_next_save(store: Store, tmp_path: Path) -> None:
    checkpoints = saved(store, 1, 2, 5)
    flip(tmp_path / "store/training/d/00000005/__0_0.distcp")
    assert loaded(checkpoints) == (2, 2.0)
    checkpoints.save(3, tensors(3.0), {"rows": [3]})
    checkpoints.wait()
    assert checkpoints.steps() == [2, 3]


def test_a_run_whose_checkpoints_are_all_damaged_does_not_begin_again(store: Store, tmp_path: Path) -> None:
    checkpoints, state = saved(store, 1, 2), tensors(-1.0)
    for step in (1, 2):
        flip(tmp_path / f"store/training/d/0000000{step}/__0_0.distcp")
    with pytest.raises(DataError, match=r"store/training/d: all checkpoints of this run are damaged \(steps 1, 2\)"):
        checkpoints.load_newest(state)
    assert torch.equal(state["b"], torch.tensor([-1.0]))


def test_the_checkpoint_that_is_asked_for_is_loaded_or_none(store: Store, tmp_path: Path) -> None:
    checkpoints, state = saved(store, 1, 2), tensors(-1.0)
    assert checkpoints.load_newest(state, 1) == (1, {"rows": [1]})
    assert torch.equal(state["b"], torch.tensor([1.0]))
    flip(tmp_path / "store/training/d/00000002/__0_0.distcp")
    for step in (2, 3):
        with pytest.raises(DataError, match=rf"store/training/d: no whole checkpoint of step {step}$"):
            checkpoints.load_newest(state, step)


def test_a_checkpoint_of_something_else_is_told(store: Store) -> None:
    checkpoints = saved(store, 1)
    with pytest.raises(DataError, match=r"d/00000001: cannot be loaded: rank 0: [^\n]*Missing key[^\n]* other"):
        checkpoints.load_newest({"other": torch.zeros(3)})


def test_a_save_that_was_cut_short_is_passed_over_and_done_again(store: Store, tmp_path: Path) -> None:
    checkpoints = saved(store, 1, 2)
    (tmp_path / "store/training/d/00000002.complete").unlink()
    (tmp_path / "store/training/d/00000002/__7_0.distcp").write_bytes(b"of a rank that is no more")
    assert checkpoints.steps() == [1]
    assert loaded(checkpoints) == (1, 1.0)
    checkpoints.save(2, tensors(2.5), {"rows": [2]})
    checkpoints.wait()
    assert loaded(checkpoints) == (2, 2.5)
    assert not (tmp_path / "store/training/d/00000002/__7_0.distcp").exists()


def test_a_run_without_checkpoints_has_none(store: Store) -> None:
    checkpoints, state = Checkpoints(store, "d"), tensors(-1.0)
    checkpoints.wait()
    assert checkpoints.load_newest(state) is None
    assert checkpoints.steps() == []


def test_the_newest_and_the_milestones_are_kept(store: Store, tmp_path: Path) -> None:
    checkpoints = saved(store, 2, 4, 5, 6, 8, 9, keep=2, milestones=4)
    assert checkpoints.steps() == [4, 8, 9]
    assert {path.name[:8] for path in (tmp_path / "store/training/d").iterdir()} == {"00000004", "00000008", "00000009"}
    assert [step for step in range(1, 13) if checkpoints.due(step)] == [4, 8, 12]
    assert not Checkpoints(store, "d").due(4)


def test_training_goes_on_while_the_store_is_away(
    store: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    checkpoints = saved(store, 1)
    away = tmp_path / "away"
    (tmp_path / "store").rename(away)
    (tmp_path / "store").write_text("no folder")
    checkpoints.save(2, tensors(2.0), {"rows": [2]})
    with pytest.raises(UserError, match=r"store/training/d/00000002: this checkpoint could not be written: [^\n]+$"):
        checkpoints.wait()
    checkpoints.save(3, tensors(3.0), {"rows": [3]})
    assert capfd.readouterr().err == ""
    checkpoints.settle()
    (tmp_path / "store").unlink()
    away.rename(tmp_path / "store")
    checkpoints.save(4, tensors(4.0), {"rows": [4]})
    text = capfd.readouterr().err
    assert text.count("\n") == 1
    assert "d/00000003: this checkpoint could not be written: rank 0: " in text
    assert text.endswith("; the next save tries again\n")
    checkpoints.wait()
    assert checkpoints.steps() == [1, 4]
    assert loaded(checkpoints) == (4, 4.0)


def test_an_error_that_cannot_be_pickled_is_told_too(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints, usual = Checkpoints(store, "d"), LocalFileSystem._open

    class UnsendableError(Exception):
        def __reduce__(self) -> Any:
            raise TypeError("cannot pickle this")

    def fail(self: Any, path: str, mode: str = "rb", **told: Any) -> Any:
        if path.endswith(".distcp"):
            raise UnsendableError("no\nconnection")
        return usual(self, path, mode, **told)

    monkeypatch.setattr(LocalFileSystem, "_open", fail)
    checkpoints.save(1, tensors(1.0), {"rows": [1]})
    with pytest.raises(UserError, match=r"could not be written: rank 0: UnsendableError: no connection$"):
        checkpoints.wait()


def test_a_store_that_stays_away_is_neither_a_mistake_nor_damage(
    store: Store, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    checkpoints, usual = saved(store, 1, 2), LocalFileSystem._open

    def stay_away(self: Any, path: str, mode: str = "rb", **told: Any) -> Any:
        if path.endswith(".distcp"):
            raise UnreachableError("given up")
        return usual(self, path, mode, **told)

    with monkeypatch.context() as patch:
        patch.setattr(LocalFileSystem, "_open", stay_away)
        checkpoints.save(3, tensors(3.0), {"rows": [3]})
        with pytest.raises(UnreachableError, match=r"d/00000003: this checkpoint could not be written: .*given up$"):
            checkpoints.wait()
        with pytest.raises(UnreachableError, match="rank 0: given up"):
            loaded(checkpoints)
    assert capfd.readouterr().err == ""
    assert loaded(checkpoints) == (2, 2.0)


def test_a_checkpoint_that_may_not_be_read_is_not_called_damaged(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints, usual = saved(store, 1, 2), LocalFileSystem._open

    def refuse(self: Any, path: str, mode: str = "rb", **told: Any) -> Any:
        if path.endswith(".distcp"):
            raise PermissionError(13, "access refused", path)
        return usual(self, path, mode, **told)

    with monkeypatch.context() as patch:
        patch.setattr(LocalFileSystem, "_open", refuse)
        with pytest.raises(Exception, match="access refused"):
            loaded(checkpoints)
    assert loaded(checkpoints) == (2, 2.0)


def test_an_old_checkpoint_that_cannot_be_removed_is_no_longer_one_and_does_not_spoil_the_new(
    store: Store, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    checkpoints, usual = saved(store, 1, 2), LocalFileSystem.rm

    def fail(self: Any, path: str, **told: Any) -> None:
        if path.endswith("/00000001"):
            raise ValueError("locked")
        usual(self, path, **told)

    with monkeypatch.context() as patch:
        patch.setattr(LocalFileSystem, "rm", fail)
        checkpoints.save(3, tensors(3.0), {"rows": [3]})
        checkpoints.wait()
    assert capfd.readouterr().err.endswith("training/d: old checkpoints could not be removed: ValueError: locked\n")
    assert checkpoints.steps() == [2, 3]
    checkpoints.save(4, tensors(4.0), {"rows": [4]})
    checkpoints.wait()
    assert {path.name[:8] for path in (tmp_path / "store/training/d").iterdir()} == {"00000003", "00000004"}


def run_ranks(world: int, folder: Path) -> list[dict[str, Any]]:
    """What each rank of `as_rank` reported; they are forks of a process that has done nothing yet but import."""
    (folder / "rendezvous").unlink(missing_ok=True)
    subprocess.run([sys.executable, __file__, str(folder), str(world)], check=True, timeout=300)
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(world)]


def as_rank(folder: Path, world: int, rank: int) -> None:
    """Load; two ranks also go on, save step 2, fail at step 3 on rank 1 and save step 4."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder / 'rendezvous'}", rank=rank, world_size=world)
    pupil, checkpoints = Pupil(seed=2), Checkpoints(Store(str(folder / "store")), "d")
    pupil.step()
    report: dict[str, Any] = {"before": pupil.fingerprint()}
    state = pupil.state()
    result = checkpoints.load_newest(state)
    assert result is not None
    pupil.load(state)
    report |= {"step": result[0], "extra": result[1], "loaded": pupil.fingerprint()}
    if world == 2:
        pupil.step()
        report["saved"] = pupil.fingerprint()
        checkpoints.save(2, pupil.state(), {"rank": rank})
        pupil.step()
        checkpoints.settle()
        if rank == 1:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
        checkpoints.save(3, pupil.state(), {"rank": rank})
        try:
            checkpoints.wait()
        except UserError as error:
            report["failure"] = str(error)
        if rank == 1:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        checkpoints.save(4, pupil.state(), {"rank": rank})
        checkpoints.wait()
    (folder / f"rank-{rank}.json").write_text(json.dumps(report))
    dist.destroy_process_group()


if __name__ == "__main__":
    count = int(sys.argv[2])
    fork = multiprocessing.get_context("fork")
    ranks = [fork.Process(target=as_rank, args=(Path(sys.argv[1]), count, rank)) for rank in range(count)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join()
    sys.exit(any(process.exitcode for process in ranks))

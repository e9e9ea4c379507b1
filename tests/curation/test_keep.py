"""Results of steps that a computation resumes from."""

import os
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from dinov2.curation.keep import Arrays, Keep
from dinov2.storage import Store


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    return Keep(Store(str(tmp_path / "store")), "d")


def never() -> Arrays:
    raise AssertionError("made again")


def numbers(count: int) -> Callable[[], Arrays]:
    return lambda: {"whole": np.arange(count), "half": np.arange(count, dtype=np.float16).reshape(-1, 1) / 2}


def same(one: Arrays, other: Arrays) -> bool:
    return one.keys() == other.keys() and all(
        np.array_equal(one[name], other[name]) and one[name].dtype == other[name].dtype for name in one
    )


def test_a_step_is_made_once_and_comes_back_as_it_was(keep: Keep) -> None:
    assert "step" not in keep.names()
    assert same(keep.made("step", numbers(5)), numbers(5)())
    assert "step" in keep.names()
    assert same(keep.made("step", never), numbers(5)())


def test_empty_arrays_come_back_too(keep: Keep) -> None:
    keep.made("step", numbers(0))
    assert same(keep.made("step", never), numbers(0)())


@pytest.mark.parametrize("suffix", ["", ".sha256"])
@pytest.mark.parametrize("damage", ["flipped", "truncated", "missing"])
def test_a_damaged_step_is_made_again_and_its_neighbour_is_not(keep: Keep, suffix: str, damage: str) -> None:
    for name in ("one", "other"):
        keep.made(name, numbers(5))
    blob = next(name for name in keep.store.list("curation") if name.endswith(f"/one.npz{suffix}"))
    data = keep.store.read(blob)
    if damage == "missing":
        keep.store.delete(blob)
    else:
        keep.store.write(blob, data[:-1] if damage == "truncated" else data[:20] + bytes([data[20] ^ 1]) + data[21:])
    assert same(keep.made("one", numbers(7)), numbers(7)())
    assert same(keep.made("one", never), numbers(7)())
    assert same(keep.made("other", never), numbers(5)())


def test_a_killed_computation_goes_on_after_its_last_step(keep: Keep) -> None:
    killed = get_context("fork").Process(target=_killed_in_the_third_step, args=(keep,))
    killed.start()
    killed.join()
    assert killed.exitcode == 9
    assert sorted(keep.names()) == ["step-0", "step-1"]
    for number in range(2):
        assert same(keep.made(f"step-{number}", never), numbers(number)())


def _killed_in_the_third_step(keep: Keep) -> None:
    for number in range(4):
        keep.made(f"step-{number}", (lambda: os._exit(9)) if number == 2 else numbers(number))


def test_a_step_that_was_being_written_was_not_finished(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(name: str, data: bytes) -> None:
        if name.endswith(".sha256"):
            raise OSError("killed between the blob and its checksum")
        Store.write(keep.store, name, data)

    with monkeypatch.context() as patch:
        patch.setattr(keep.store, "write", fails)
        with pytest.raises(OSError, match="killed"):
            keep.made("step", numbers(5))
    assert "step" not in keep.names()
    assert same(keep.made("step", numbers(6)), numbers(6)())


def test_another_computation_has_blobs_of_its_own(keep: Keep) -> None:
    others = [Keep(keep.store, "e"), keep.within("a"), keep.within("b"), keep.within("a", 1), keep.within("a", 1.5)]
    for count, other in enumerate([keep, *others]):
        assert "step" not in other.names()
        other.made("step", numbers(count))
    assert same(keep.within("a", 1).made("step", never), numbers(4)())
    assert same(keep.made("step", never), numbers(0)())


def test_what_is_forgotten_is_gone_and_others_stay(keep: Keep) -> None:
    other = keep.within("other")
    for each in (keep, other):
        each.made("step", numbers(3))
    keep.forget()
    assert "step" not in keep.names()
    assert same(other.made("step", never), numbers(3)())
    keep.forget()

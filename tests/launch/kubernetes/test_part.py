"""How pods that work together wait for each other."""

from dataclasses import replace
from pathlib import Path

import pytest

from dinov2.errors import EXIT_AGAIN, UnreachableError
from dinov2.launch import Job
from dinov2.launch.failure import Failure
from dinov2.launch.kubernetes import part as parts
from dinov2.launch.kubernetes.exchange import begin, begun, deliver, delivered
from dinov2.launch.kubernetes.part import Part, wait_for_delivery, work
from dinov2.launch.together import Ended
from dinov2.settings import Settings
from dinov2.storage import Store

NAME = "try-0123456789ab"
JOB = Job("try", "body", (), (), ())
NOT_MET = Ended(EXIT_AGAIN, None, stopped=False)


@pytest.fixture
def part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Part:
    """That of the second of two pods."""
    monkeypatch.setenv("DINOV2_RENDEZVOUS", "try-0.try:20000")
    settings = Settings(nodes=2, processes=2, threads=1)
    return Part(JOB, NAME, 1, settings, tmp_path, Store(str(tmp_path / "store")))


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was slept each time."""
    taken: list[float] = []
    monkeypatch.setattr(parts.time, "sleep", taken.append)
    return taken


def ends(monkeypatch: pytest.MonkeyPatch, *ended: Ended) -> list[tuple[str, ...]]:
    """Have attempts end so, one after the other; the options of torchrun that they had."""
    options: list[tuple[str, ...]] = []
    answers = iter(ended)

    def run_together(_job: Job, torchrun: tuple[str, ...], *_: object) -> Ended:
        options.append(torchrun)
        return next(answers)

    monkeypatch.setattr(parts, "run_together", run_together)
    return options


def test_pods_that_find_nobody_try_again(part: Part, naps: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    good = Ended(0, None, stopped=False)
    options = ends(monkeypatch, NOT_MET, NOT_MET, good)
    assert work(part) == good
    assert len(options) == 3
    assert len(naps) == 2


def test_they_do_not_try_for_ever(part: Part, naps: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOV2_RENDEZVOUS_SECONDS", "0")
    ends(monkeypatch, NOT_MET)
    ended = work(part)
    assert ended.code == 1  # which counts as a failed pod: one that was told to stop does not
    assert ended.failure
    assert ended.failure.error == "the pods did not come together in 0 s (rendezvous_seconds)"
    assert not naps


def test_what_ends_otherwise_is_not_tried_again_here(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = Ended(EXIT_AGAIN, Failure(rank=2, time=0.0, code=EXIT_AGAIN), stopped=False)
    for ended in (saved, Ended(EXIT_AGAIN, None, stopped=True), Ended(1, None, stopped=False)):
        ends(monkeypatch, ended)
        assert work(part) == ended


def test_ranks_are_in_the_order_of_the_pods(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    names = []
    for index in (0, 1, 2, 10, 11, 100):
        options = ends(monkeypatch, Ended(0, None, stopped=False))
        work(replace(part, index=index))
        names += [option for option in options[0] if option.startswith("--local-addr=")]
    assert names == sorted(set(names))
    assert names[0] == "--local-addr=try-0.try"


def test_a_pod_waits_until_the_first_has_delivered(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(NAME, part.store)
    monkeypatch.setattr(parts.time, "sleep", lambda _: deliver(JOB, NAME, 0, part.root, part.store, {}))
    assert not delivered(NAME, 0, part.store)
    wait_for_delivery(part)
    assert delivered(NAME, 0, part.store)


def test_a_pod_works_again_when_the_first_has_to(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(NAME, part.store)
    monkeypatch.setattr(parts.time, "sleep", lambda _: begin(NAME, part.store))
    before = begun(NAME, part.store)
    wait_for_delivery(part)
    assert begun(NAME, part.store) != before
    assert not delivered(NAME, 0, part.store)


def test_a_pod_that_waits_in_vain_says_so(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOV2_RENDEZVOUS_SECONDS", "0")
    monkeypatch.setattr(parts.time, "sleep", lambda _: None)
    with pytest.raises(UnreachableError, match="pod 0 has not delivered the outputs after 0 s"):
        wait_for_delivery(part)

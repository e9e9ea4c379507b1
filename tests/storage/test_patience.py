import os
from collections.abc import Callable

import pytest

from dinov2.errors import UnreachableError, UserError
from dinov2.storage import patience, retried


class Clock:
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(patience, "time", clock)
    monkeypatch.setattr(patience, "_outages", {})
    return clock


def away_until(clock: Clock, end: float) -> Callable[[], str]:
    def action() -> str:
        if clock.now < end:
            raise ConnectionError("no\nroute")
        return "there"

    return action


def test_a_store_that_is_away_for_thirty_seconds_is_waited_for_and_said_once(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    assert retried(away_until(clock, 1030), "s3://bucket/blob") == "there"
    assert 30 <= sum(clock.waits) <= 40
    assert clock.waits[0] <= 0.5
    assert max(clock.waits) <= 10
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("s3://bucket/blob: ConnectionError: no route; tried again for 11")


def test_waits_differ_between_processes(clock: Clock) -> None:
    waits = set()
    for number in range(20):
        clock.waits.clear()
        retried(away_until(clock, clock.now + 0.01), f"s3://bucket{number}/blob")
        waits.add(clock.waits[0])
    assert len(waits) == 20
    assert min(waits) >= 0.25


def test_a_blip_is_not_worth_a_word(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    assert retried(away_until(clock, 1001), "s3://bucket/blob") == "there"
    assert capsys.readouterr().err == ""


def test_who_waited_two_minutes_in_vain_says_so(clock: Clock) -> None:
    with pytest.raises(UnreachableError, match=r"^s3://bucket/blob: given up after 120 s: ConnectionError: no route$"):
        retried(away_until(clock, 10_000), "s3://bucket/blob")
    assert sum(clock.waits) == pytest.approx(120)


def test_an_outage_that_was_waited_out_once_is_not_waited_out_again(clock: Clock) -> None:
    for name in ("one", "other"):
        with pytest.raises(UnreachableError):
            retried(away_until(clock, 10_000), f"s3://bucket/{name}")
    assert sum(clock.waits) == pytest.approx(120)
    with pytest.raises(UnreachableError):
        retried(away_until(clock, 10_000), "s3://elsewhere/blob")
    assert sum(clock.waits) == pytest.approx(240)


def test_after_an_answer_and_after_a_while_it_is_another_outage(clock: Clock) -> None:
    with pytest.raises(UnreachableError):
        retried(away_until(clock, 10_000), "s3://bucket/blob")
    assert retried(lambda: "there", "s3://bucket/blob") == "there"
    assert retried(away_until(clock, clock.now + 100), "s3://bucket/blob") == "there"
    with pytest.raises(UnreachableError):
        retried(away_until(clock, 10_000), "s3://bucket/blob")
    clock.now += 61
    assert retried(away_until(clock, clock.now + 100), "s3://bucket/blob") == "there"


def test_a_long_transfer_survives_a_stumble_now_and_then(clock: Clock) -> None:
    stumbles = [ConnectionError("reset")] * 5

    def transfer() -> str:
        clock.now += 300  # at work
        if stumbles:
            raise stumbles.pop()
        return "there"

    assert retried(transfer, "s3://bucket/blob") == "there"


@pytest.mark.usefixtures("clock")
def test_one_blob_that_never_comes_is_given_up_though_the_others_do() -> None:
    def never() -> None:
        retried(lambda: "there", "s3://bucket/other")
        raise ConnectionError

    with pytest.raises(UnreachableError, match="given up after 120 s"):
        retried(never, "s3://bucket/blob")


@pytest.mark.parametrize(
    ("error", "kind"),
    [(FileNotFoundError("gone"), FileNotFoundError), (PermissionError("no"), PermissionError), (KeyError(), KeyError)],
)
def test_what_waiting_cannot_cure_is_not_waited_for(clock: Clock, error: Exception, kind: type[Exception]) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(kind):
        retried(fail, "s3://bucket/blob")
    with pytest.raises(FileNotFoundError):
        retried(lambda: os.stat("/no/such/file"), "/no/such/file")  # noqa: PTH116 - any call that raises it
    assert clock.waits == []


def test_a_full_disk_is_not_waited_for(clock: Clock) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match=r"^/store/blob: the store is full"):
        retried(full, "/store/blob")
    assert clock.waits == []

import pytest

from dinov2 import progress as module
from dinov2.progress import progress, track


class Clock:
    """A clock that moves only when told to."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_away_from_a_terminal_lines_tell_count_rate_and_time_left(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress("embed", total=400, unit="images", done=100) as shown:
        for _ in range(3):
            clock.now += 8.0
            shown.advance(40, "loss 2.5")
    assert capsys.readouterr().err.splitlines() == [
        "embed: 180/400 images, 5.0/s, 0:44 left, loss 2.5",
        "embed: 220/400 images in 0:24, 5.0/s",
    ]


def test_tracking_yields_every_item(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track("abc", "letters", total=3, unit="letters")) == ["a", "b", "c"]
    assert "letters: 3/3 letters" in capsys.readouterr().err


def test_one_of_several_processes_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("train", total=2, silent=True) as shown:
        shown.advance(2, "loss 2.5")
    assert capsys.readouterr().err == ""

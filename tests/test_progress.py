import json
from pathlib import Path

import pytest

from dinov2.progress import CHANNEL, Told, channel, count, progress, read, relay, shown, track


class Clock:
    """A clock that moves only when told to."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (channel, count, shown):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "told.json"
    monkeypatch.setenv(CHANNEL, str(path))
    return path


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


def test_one_of_several_processes_is_silent(told: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with progress("train", total=2, silent=True) as shown:
        shown.advance(2, "loss 2.5")
    assert capsys.readouterr().err == ""
    assert not told.exists()


def test_the_file_is_written_anew_once_a_second_and_at_the_end(clock: Clock, told: Path) -> None:
    seen = []
    with progress("train", total=8, unit="steps") as shown:
        for _ in range(6):
            clock.now += 0.4
            shown.advance(note="loss 2.5")
            seen.append(json.loads(told.read_text())["done"])
        assert read(told) == Told("train: 4/8 steps, 2.5/s, 0:02 left, loss 2.5", 4, 8)
    assert seen == [1, 1, 1, 4, 4, 4]
    assert read(told) == Told("train: 6/8 steps in 0:02, 2.5/s", 6, 8)
    assert list(told.parent.iterdir()) == [told], "no draft is left"


def test_a_bar_on_a_terminal_feeds_the_file_too(told: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with progress("train", total=4) as shown:
        shown.advance(3)
        told_meanwhile = read(told)
    assert told_meanwhile
    assert told_meanwhile.percent == 75.0


def test_lines_of_a_process_elsewhere_are_passed_on(
    clock: Clock, told: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CHANNEL)  # the other process has no such file
    with progress("student: S", total=8000, unit="steps") as shown:
        clock.now += 10.0
        shown.advance(2000, "loss 2.5")
    monkeypatch.setenv(CHANNEL, str(told))
    running, ended = capsys.readouterr().err.splitlines()
    relay(running)
    assert read(told) == Told(running, 2000, 8000)
    relay(ended)
    assert read(told) == Told(ended, 2000, 8000)
    for line in ("2000/8000", "see data: 3/4", "S knn model 30/40 of it", "ratio: 1/2", ""):
        relay(line)
    assert read(told) == Told(ended, 2000, 8000), "what is no progress is not taken for it"


def test_a_file_that_cannot_be_written_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(CHANNEL, str(tmp_path / "file" / "told.json"))
    with progress("train", total=2) as shown:
        shown.advance()
        shown.advance()
    assert capsys.readouterr().err.count("going on without it") == 1


def test_of_nothing_all_is_done_and_what_nobody_told_is_none(tmp_path: Path) -> None:
    assert Told("", 0, 0).percent == 100.0
    assert Told("", 9, 4).percent == 100.0
    assert read(tmp_path / "missing.json") is None

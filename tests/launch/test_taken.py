"""What jobs took is noted where the environment says, and never a reason to fail."""

from pathlib import Path

import pytest

from dinov2.launch.taken import TAKEN, Taken, note, of_pods, read


def test_notes_are_read_as_they_were_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "taken.jsonl"
    assert read(path) == []
    monkeypatch.setenv(TAKEN, str(path))
    made = [Taken(stage="pretrain", job="pretrain-0123", seconds=3.5, gpu_seconds=28.0)]
    made.append(Taken(stage="embed", seconds=1.0, gpu_seconds=None))
    for each in made:
        note(each)
    assert read(path) == made


def test_without_a_place_nothing_is_noted_and_a_bad_place_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = Taken(stage="embed", seconds=1.0, gpu_seconds=0.0)
    monkeypatch.delenv(TAKEN, raising=False)
    note(taken)
    (tmp_path / "file").write_text("")
    note(taken, str(tmp_path / "file" / "taken.jsonl"))
    assert capsys.readouterr().err.count("going on without it") == 1


def test_a_line_that_was_cut_is_told_of_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, made = tmp_path / "taken.jsonl", Taken(stage="pretrain", seconds=3.5, gpu_seconds=28.0)
    note(made, str(path))
    with path.open("ab") as file:
        file.write(b'{"stage":"pretr\xc3\n')
    note(made, str(path))
    assert read(path) == [made, made]
    assert capsys.readouterr().err.startswith(f'{path}: not understood: {{"stage":"pretr')


def test_pods_that_worked_together_or_apart_are_added_up() -> None:
    together = of_pods("pretrain", "pretrain-01", [{"seconds": 100.0, "nodes": 2, "processes": 8, "gpus": 8}])
    assert (together.seconds, together.gpu_seconds) == (100.0, 100.0 * 2 * 8)
    apart = [{"seconds": 10.0 * k, "nodes": 1, "processes": 1, "gpus": 1} for k in (1, 2, 3)]
    assert of_pods("embed", "embed-01", apart).gpu_seconds == 60.0
    assert of_pods("embed", "embed-01", apart).seconds == 30.0
    on_cpus = of_pods("embed", "embed-01", [{"seconds": 9.0, "nodes": 4, "processes": 1, "gpus": 0}])
    assert on_cpus.gpu_seconds == 0.0, "known to be nothing"

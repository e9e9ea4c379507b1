"""Runs are found again, and no server, however slow or dead, holds up the work."""

import json
import socket
import time
from pathlib import Path

import mlflow
import pytest

from dinov2.registry import tracking
from dinov2.registry.client import connect, tracking_uri
from dinov2.registry.tracking import tracked
from dinov2.settings import Settings

PARAMS = {"epochs": 3, "crops": {"global_size": 48}}
INPUTS = {"images": "abc"}


def _runs(root: Path) -> list[mlflow.entities.Run]:
    client = connect(Settings(), root)
    return client.search_runs([client.get_experiment_by_name("dinov2").experiment_id])


def test_a_relative_database_is_taken_from_the_workspace_and_other_places_stay(tmp_path: Path) -> None:
    assert tracking_uri(Settings(), tmp_path) == f"sqlite:///{tmp_path}/var/mlflow.db"
    absolute = Settings(tracking="sqlite:////srv/mlflow.db")
    assert tracking_uri(absolute, tmp_path) == "sqlite:////srv/mlflow.db"
    assert tracking_uri(Settings(tracking="http://mlflow:5000"), tmp_path) == "http://mlflow:5000"


def test_resumed_work_is_the_same_run_with_all_its_figures(tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"png")
    with tracked(Settings(), tmp_path, "pretrain", "d1", PARAMS, INPUTS) as first:
        for step in range(1500):
            first.log(step, {"loss": 1 / (step + 1)})
    with pytest.raises(ZeroDivisionError), tracked(Settings(), tmp_path, "pretrain", "d1", PARAMS, INPUTS):
        1 / 0  # noqa: B018
    assert [run.info.status for run in _runs(tmp_path)] == ["FAILED"]

    with tracked(Settings(), tmp_path, "pretrain", "d1", PARAMS, INPUTS) as second:
        assert [run.info.status for run in _runs(tmp_path)] == ["RUNNING"]
        assert second.run_id == first.run_id
        second.log(1500, {"loss": 0.5})
        second.summary({"best": 0.25})
        second.picture(picture)
    with tracked(Settings(), tmp_path, "pretrain", "d2", PARAMS, INPUTS) as other:
        assert other.run_id != first.run_id

    client = connect(Settings(), tmp_path)
    run = client.get_run(str(first.run_id))
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "pretrain"
    assert run.data.params == {"epochs": "3", "crops.global_size": "48"}
    assert run.data.tags["dinov2.input.images"] == "abc"
    assert run.data.metrics["best"] == 0.25
    history = client.get_metric_history(str(first.run_id), "loss")
    assert [(point.step, point.value) for point in sorted(history, key=lambda point: point.step)] == [
        *((step, 1 / (step + 1)) for step in range(1500)),
        (1500, 0.5),
    ]
    assert [file.path for file in client.list_artifacts(str(first.run_id))] == ["picture.png"]
    assert list((tmp_path / "var" / "mlflow-artifacts").rglob("picture.png"))


def test_a_server_that_never_answers_delays_only_start_and_end_and_its_figures_arrive_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tracking, "START_S", 0.5)
    monkeypatch.setattr(tracking, "FLUSH_S", 0.5)
    kept = tmp_path / "var" / "tracking" / "d1.jsonl"
    with socket.socket() as silent:  # takes connections and says nothing
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        away = Settings(tracking=f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        with tracked(away, tmp_path, "pretrain", "d1", PARAMS, INPUTS) as run:
            assert run.run_id is None
            for step in range(1000):
                run.log(step, {"loss": float(step)})
        assert time.monotonic() - started < 15
    said = capsys.readouterr().err
    assert "does not answer" in said
    assert "1002 messages could not be delivered" in said
    assert str(kept) in said
    assert [json.loads(line)["kind"] for line in kept.read_text().splitlines()] == [
        "open",
        *["metric"] * 1000,
        "status",
    ]

    monkeypatch.undo()
    with tracked(Settings(), tmp_path, "pretrain", "d1", PARAMS, INPUTS) as run:
        run.log(1000, {"loss": 1000.0})
    assert not kept.exists()
    history = connect(Settings(), tmp_path).get_metric_history(str(run.run_id), "loss")
    assert sorted(point.step for point in history) == list(range(1001))
    assert len(_runs(tmp_path)) == 1

"""Runs are found again, and no server, however slow or dead, holds up the work."""

import json
import socket
import time
from pathlib import Path

import mlflow
import pytest

from dinov2.registry import tracking
from dinov2.registry.client import artifacts_uri, connect, experiment_id, tracking_uri
from dinov2.registry.tracking import deliver_kept, tracked
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


def test_what_a_process_that_was_killed_could_not_deliver_comes_from_the_checkpoint(tmp_path: Path) -> None:
    curve = {step: {"loss": 1 / step, "lr": 0.1} for step in range(1, 1201)}
    with tracked(Settings(), tmp_path, "pretrain", "d1", PARAMS, INPUTS) as first:
        for step in range(1, 601, 2):
            first.log(step, curve[step])
        first.log(2, {"loss": curve[2]["loss"]})
    before = _points(tmp_path, str(first.run_id))
    for _ in range(2):
        with tracked(Settings(), tmp_path, "pretrain", "d1", PARAMS, INPUTS) as again:
            again.restore(curve)
        assert again.run_id == first.run_id
    after = _points(tmp_path, str(first.run_id))
    assert [(key, step, value) for key, step, value, _ in after] == [
        (key, step, curve[step][key]) for key in ("loss", "lr") for step in curve
    ]
    assert set(before) < set(after)


def _points(root: Path, run_id: str) -> list[tuple[str, int, float, int]]:
    client = connect(Settings(), root)
    points = [point for key in ("loss", "lr") for point in client.get_metric_history(run_id, key)]
    return sorted((point.key, point.step, point.value, point.timestamp) for point in points)


def test_artifacts_may_be_in_a_bucket(tmp_path: Path) -> None:
    assert artifacts_uri(Settings(), tmp_path) == f"{tmp_path}/var/mlflow-artifacts"
    settings = Settings(artifacts="s3://bucket/mlflow")
    assert artifacts_uri(settings, tmp_path) == "s3://bucket/mlflow"
    client = connect(settings, tmp_path)
    found = client.get_experiment(experiment_id(client, settings, tmp_path))
    assert found.artifact_location == "s3://bucket/mlflow"


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


def test_what_was_kept_without_its_beginning_is_sent_when_the_work_is_done_again(tmp_path: Path) -> None:
    with tracked(Settings(), tmp_path, "pretrain", "d1", PARAMS, INPUTS) as first:
        first.log(1, {"loss": 1.0})
    kept = tmp_path / "var" / "tracking" / "d1.jsonl"
    kept.parent.mkdir(parents=True, exist_ok=True)
    late = {"kind": "metric", "key": "loss", "value": 2.0, "step": 2, "timestamp": 1}
    gone = {"kind": "picture", "path": str(tmp_path / "gone.png")}
    kept.write_text("".join(json.dumps(each) + "\n" for each in (late, gone, {"kind": "status", "status": "KILLED"})))
    with tracked(Settings(), tmp_path, "pretrain", "d1", PARAMS, INPUTS) as second:
        second.log(3, {"loss": 3.0})
    assert not kept.exists()
    assert second.run_id == first.run_id
    history = connect(Settings(), tmp_path).get_metric_history(str(first.run_id), "loss")
    assert {point.step: point.value for point in history} == {1: 1.0, 2: 2.0, 3: 3.0}


def test_what_was_kept_is_sent_without_the_work_being_done_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with tracked(Settings(), tmp_path, "pretrain", "d1", PARAMS, INPUTS) as first:
        first.log(1, {"loss": 1.0})
    folder = tmp_path / "var" / "tracking"
    folder.mkdir(parents=True, exist_ok=True)
    late = {"kind": "metric", "key": "loss", "value": 2.0, "step": 2, "timestamp": 1}
    ended = {"kind": "status", "status": "KILLED"}
    begun = {"kind": "open", "name": "highres", "params": {"a": "1"}, "inputs": {}}
    for digest, messages in (("d1", [late, ended]), ("d2", [begun, late, ended])):
        (folder / f"{digest}.jsonl").write_text("".join(json.dumps(each) + "\n" for each in messages))
    deliver_kept(Settings(), tmp_path)
    assert list(folder.iterdir()) == []
    assert "highres: sent what had been kept" in capsys.readouterr().err
    client = connect(Settings(), tmp_path)
    found = client.search_runs([experiment_id(client, Settings(), tmp_path)], order_by=["attributes.start_time"])
    assert {run.info.run_name: run.data.metrics["loss"] for run in found} == {"pretrain": 2.0, "highres": 2.0}
    assert {run.info.status for run in found} == {"KILLED"}


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
    before = kept.read_bytes()
    deliver_kept(Settings(tracking="http://127.0.0.1:9"), tmp_path)
    assert kept.read_bytes() == before
    assert "1002 messages could not be delivered" in capsys.readouterr().err

    monkeypatch.undo()
    with tracked(Settings(), tmp_path, "pretrain", "d1", PARAMS, INPUTS) as run:
        run.log(1000, {"loss": 1000.0})
    assert not kept.exists()
    history = connect(Settings(), tmp_path).get_metric_history(str(run.run_id), "loss")
    assert sorted(point.step for point in history) == list(range(1001))
    assert len(_runs(tmp_path)) == 1

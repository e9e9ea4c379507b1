"""The page of a run: every stage with what came of it, and what all took."""

from pathlib import Path

from prefect.states import Completed, Failed, Pending

from dinov2.launch.taken import Taken, note
from dinov2.runs.run import Run
from dinov2.settings import Settings
from flows.artifacts.summary import page
from flows.failure import StageError
from flows.stage import Timed


def stages(root: Path) -> list[Timed]:
    error = StageError("distill@S", 1, root / "log", [])
    return [
        Timed("ingest", Completed(data="up to date"), 0.25),
        Timed("pretrain", Completed(data="ran"), 7200.0),
        Timed("distill@S", Failed(data=error), 30.0),
        Timed("report", Pending(name="NotReady"), 0.0),
    ]


def test_each_stage_has_a_row_and_all_of_them_a_total(tmp_path: Path) -> None:
    taken = tmp_path / "var/taken/1.jsonl"
    note(Taken(stage="pretrain", seconds=7200.0, gpu_seconds=7200.0 * 8), str(taken))
    note(Taken(stage="distill@S", seconds=30.0, gpu_seconds=None), str(taken))
    run = Run("blue-fox", tmp_path, tmp_path)
    made = page(run, stages(tmp_path), taken, Settings(gpu_hour_price=2.5, mlflow_url="http://mlflow:5000"))
    assert made.key == "run"
    assert made.description == "blue-fox: distill@S failed"
    lines = str(made.data).splitlines()
    assert [line for line in lines if line.startswith("|")] == [
        "| stage |  | time | GPU-hours | cost |",
        "| --- | --- | --- | --- | --- |",
        "| ingest | up to date | 0.2 s | 0.00 | 0.00 |",
        "| pretrain | ran | 2:00:00 | 16.00 | 40.00 |",
        "| distill@S | failed | 30.0 s | not known | not known |",
        "| report | not run | 0.0 s | 0.00 | 0.00 |",
        "| total |  | 2:00:30 | at least 16.00 | at least 40.00 |",
    ]
    assert f"- Workspace: `{tmp_path}`" in lines
    assert "- Runs and models: [MLflow](http://mlflow:5000)" in lines
    assert "Report" not in str(made.data)


def test_a_run_that_went_well_shows_its_report(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/index.html").write_text("")
    run = Run("blue-fox", tmp_path, tmp_path)
    made = page(run, stages(tmp_path)[:2], tmp_path / "none.jsonl", Settings())
    assert made.description == "blue-fox: all stages are up to date"
    assert f"- Report: `{tmp_path}/reports/index.html`" in str(made.data)
    assert "cost" not in str(made.data)
    assert "MLflow" not in str(made.data)

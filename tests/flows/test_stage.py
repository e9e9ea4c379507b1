"""A stage as Prefect has it: its artifacts are read back through the server's API."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from prefect import flow, get_client
from prefect.client.schemas.objects import State
from prefect.concurrency.sync import concurrency
from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_ANALYTICS_ENABLED, temporary_settings
from prefect.testing.utilities import prefect_test_harness

from dinov2.errors import ConfigError
from dinov2.runs.run import Run
from flows import stage as module
from flows.artifacts import progress, summary
from flows.failure import StageError
from flows.limits import GPUS, limit_gpus
from flows.retries import MOST_CRASHES
from flows.stage import Timed, run_stage
from tests.flows.conftest import Workspace, wait_for

pytestmark = pytest.mark.slow

STAGES = """
stages:
  retrieve: {cmd: python retrieve.py, deps: [retrieve.py], outs: [out.txt], metrics: [metrics/retrieve.json]}
  pretrain: {cmd: sh pretrain.sh, outs: [out2.txt]}
"""
RETRIEVE = """
import json, pathlib, sys, time
from dinov2.progress import progress
print("tracking: retrieve: MLflow run 0123456789abcdef0123456789abcdef", file=sys.stderr)
with progress("choose", 10, "queries") as shown:
    for _ in range(10):
        time.sleep(0.4)
        shown.advance()
pathlib.Path("out.txt").write_text("out")
pathlib.Path("metrics/retrieve.json").write_text(json.dumps({"images": 8, "sources": {"pool": 6, "curated": 2}}))
"""


@pytest.fixture(scope="module", autouse=True)
def _server() -> Iterator[None]:
    with temporary_settings({PREFECT_SERVER_ANALYTICS_ENABLED: False}), prefect_test_harness(180):
        yield


@pytest.fixture
def place(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with two stages; nothing waits for long."""
    workspace.write("dvc.yaml", STAGES)
    workspace.write("retrieve.py", RETRIEVE)
    (workspace.root / "metrics").mkdir()
    monkeypatch.setattr(progress, "SHORTEST_S", 0.3)
    return workspace


def run(place: Workspace, stage: str, force: bool = False, **environment: str) -> tuple[str, State]:
    """Run a stage in a flow; the flow run's id, and how the stage ended."""
    found: list[tuple[str, State]] = []

    @flow(name="one stage")
    def one() -> None:
        task = run_stage.with_options(retry_delay_seconds=0.1, retry_jitter_factor=0.0)
        began = time.monotonic()
        state = task(stage, [], True, force, place.root, environment, return_state=True)
        found.append((str(state.state_details.flow_run_id), state))
        summary(Run("one", place.root, place.root), [Timed(stage, state, time.monotonic() - began)])

    one()
    return found[0]


def asked(what: str, run_id: str) -> list[dict[str, Any]]:
    """What the server has of a flow run."""
    url, of_run = f"{PREFECT_API_URL.value()}/{what}/filter", {"flow_run_id": {"any_": [run_id]}}
    return list(httpx.post(url, json={what: of_run}, timeout=30).json())


def artifacts(run_id: str) -> dict[str, dict[str, Any]]:
    return {each["key"]: each for each in sorted(asked("artifacts", run_id), key=lambda each: each["created"])}


def sampled(look: Callable[[], Any], work: Callable[[], Any]) -> list[Any]:
    """What `look` saw, now and then while `work` went on."""
    seen: list[Any] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            seen.append(look())

    url = PREFECT_API_URL.value()
    thread = threading.Thread(target=lambda: _with_url(url, watch))
    thread.start()
    try:
        work()
    finally:
        ended.set()
        thread.join()
    return seen


def _with_url(url: str | None, watch: Callable[[], None]) -> None:
    with temporary_settings({PREFECT_API_URL: url}):
        watch()


def quota(gpus: int | None) -> None:
    with get_client(sync_client=True) as client:
        limit_gpus(client, gpus)


def latest(key: str) -> Any:
    answer = httpx.get(f"{PREFECT_API_URL.value()}/artifacts/{key}/latest", timeout=30)
    return answer.json()["data"] if answer.is_success else None


def test_progress_moves_and_at_the_end_there_are_numbers_tables_and_links(place: Workspace) -> None:
    ended: list[tuple[str, State]] = []

    def work() -> None:
        ended.append(run(place, "retrieve", DINOV2_MLFLOW_URL="http://mlflow:5000"))

    seen = sampled(lambda: latest("retrieve-progress"), work)
    run_id, state = ended[0]
    assert state.is_completed()
    moved = list(dict.fromkeys(value for value in seen if value is not None))
    assert moved == sorted(moved)
    assert len(moved) >= 3, moved
    found = artifacts(run_id)
    assert set(found) == {"retrieve-progress", "retrieve", "retrieve-sources", "run"}
    assert found["retrieve-progress"]["data"] == 100.0
    assert found["retrieve-progress"]["description"].startswith("choose: 10/10 queries in 0:0")
    assert all(found[name]["task_run_id"] for name in ("retrieve-progress", "retrieve", "retrieve-sources"))
    page = found["retrieve"]["data"]
    assert page.startswith("# retrieve: ran\n")
    assert "| images | 8 |" in page
    assert "(http://mlflow:5000/#/runs/0123456789abcdef0123456789abcdef)" in page
    assert "| retrieve | ran | " in found["run"]["data"]
    wait_for(lambda: any("Running stage 'retrieve'" in each["message"] for each in asked("logs", run_id)))
    assert not list((place.root / "var" / "logs").glob("*.json*")), "the channel is gone"

    run_id, state = run(place, "retrieve")
    assert state.result() == "up to date"
    assert set(artifacts(run_id)) == {"run"}
    (place.root / "out.txt").unlink()
    run_id, state = run(place, "retrieve")
    page = artifacts(run_id)["retrieve"]["data"]
    assert (state.result(), page.splitlines()[0]) == ("restored", "# retrieve: restored")
    assert "0.00" in page, "it cost nothing"


def test_a_stage_that_crashes_is_tried_a_few_times_and_says_why(place: Workspace) -> None:
    trace = "Traceback (most recent call last):\n  File x.py\nValueError: <b>nan</b>"
    place.write(
        "pretrain.sh", f"echo try >> tries; echo '{trace}'; echo 'error: pretrain: ended with exit code 1'; exit 1"
    )
    run_id, state = run(place, "pretrain")
    assert state.is_failed()
    assert (place.root / "tries").read_text().split() == ["try"] * (MOST_CRASHES + 1)
    assert "stage pretrain failed with exit code 1: ValueError: <b>nan</b>" in str(state.message)
    page = artifacts(run_id)["pretrain"]
    assert page["description"].startswith("pretrain: failed with exit code 1 (attempt 4): ValueError: ")
    assert f"## Why\n\n```\n{trace}\nerror: " in page["data"]
    assert "| pretrain | failed | " in artifacts(run_id)["run"]["data"]
    with pytest.raises(StageError):
        state.result()


def test_a_training_that_was_told_to_stop_goes_on_however_often(place: Workspace) -> None:
    place.write("pretrain.sh", "echo try >> tries; test $(wc -l < tries) -gt 5 || exit 75; echo out > out2.txt")
    _, state = run(place, "pretrain")
    assert state.is_completed()
    assert len((place.root / "tries").read_text().split()) == 6


def test_artifacts_that_cannot_be_made_cost_a_stage_nothing(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_: object) -> None:
        raise httpx.ConnectError("connection refused")

    monkeypatch.setattr("flows.client.get_client", away)
    run_id, state = run(place, "retrieve")
    assert state.result() == "ran"
    assert artifacts(run_id) == {}
    told = ("artifacts are missing: ConnectError", "progress is not shown at present: ConnectError")
    wait_for(lambda: all(any(text in each["message"] for each in asked("logs", run_id)) for text in told))
    messages = [each["message"] for each in asked("logs", run_id)]
    assert sum(told[1] in message for message in messages) == 1, "it is said once"


def test_a_training_holds_its_gpus_of_the_quota_and_gives_them_back(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def active() -> int:
        with get_client(sync_client=True) as client:
            return int(client.read_global_concurrency_limit_by_name(GPUS).active_slots)

    asks = 3
    monkeypatch.setattr(module, "gpus_of", lambda *_: asks)
    place.write("pretrain.sh", "sleep 2; date > out2.txt")
    assert run(place, "pretrain", force=True)[1].is_completed(), "without a quota it holds none"
    quota(4)
    ended: list[State] = []
    assert set(sampled(active, lambda: ended.append(run(place, "pretrain", force=True)[1]))) == {0, 3}
    assert ended[0].is_completed()
    assert active() == 0
    asks = 5
    state = run(place, "pretrain", force=True)[1]
    with pytest.raises(ConfigError, match=r"5 GPUs: more than the quota \(dinov2-gpus: 4\)"):
        state.result()
    asks = 3
    with concurrency(GPUS, occupy=2):
        url, runs = PREFECT_API_URL.value(), place.root / "began"
        place.write("pretrain.sh", "touch began; date > out2.txt")
        thread = threading.Thread(target=lambda: _with_url(url, lambda: ended.append(run(place, "pretrain", True)[1])))
        thread.start()
        time.sleep(4)
        assert not runs.exists(), "it waits"
    thread.join(60)
    assert ended[1].is_completed()
    assert runs.exists()
    quota(None)


def test_what_a_stage_took_is_billed_with_all_its_attempts(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "gpus_of", lambda *_: 1000)
    place.write(
        "pretrain.sh", "echo try >> tries; sleep 1; test $(wc -l < tries) -gt 2 || exit 75; echo out > out2.txt"
    )
    run_id, _ = run(place, "pretrain", DINOV2_GPU_HOUR_PRICE="3600")
    hours = [each for each in artifacts(run_id)["pretrain"]["data"].splitlines() if each.startswith("| ")][2].split(
        " | "
    )
    seconds = 3600 * float(hours[1]) / 1000
    assert 3 <= seconds < 60, "three attempts of a second and more"
    assert float(hours[2].strip("| ").replace(",", "")) == pytest.approx(3600 * float(hours[1]), abs=20)


def test_a_stage_that_is_forced_says_whom_its_jobs_are_run_again_for(place: Workspace) -> None:
    told = "echo $DINOV2_RERUN $DINOV2_RERUN_FOR >> told; test $(wc -l < told) -gt 1 || exit 1; date > out2.txt"
    place.write("pretrain.sh", told)
    run_id, state = run(place, "pretrain", force=True)
    assert state.is_completed()
    assert (place.root / "told").read_text() == f"1 {run_id}\n" * 2, "and both attempts say the same"

"""The automations on a real server: dead runs are marked, announcements start runs, messages arrive."""

import json
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings

from dinov2.errors import ConfigError
from flows import automations
from flows.automations import notify, settle, zombies
from flows.limits import GPUS, limit_gpus
from flows.settings import UpSettings
from tests.flows.conftest import wait_for
from tests.flows.serving import prefect

pytestmark = pytest.mark.slow

DEPLOYMENTS = "deployments: [{name: pipeline, entrypoint: a.py:pipeline}, {name: recurate, entrypoint: a.py:recurate}]"

OURS, THEIRS = ("pipeline/pipeline", "recurate/recurate"), ("theirs/theirs", "theirs/pipeline")


class Messages(BaseHTTPRequestHandler):
    """A webhook."""

    received: list[dict[str, str]]

    def do_POST(self) -> None:
        """Take a message."""
        self.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Prefect server with an empty database."""
    with prefect(tmp_path_factory.mktemp("server")) as url:
        yield url


@pytest.fixture
def client(server: str) -> Iterator[SyncPrefectClient]:
    """Of the server."""
    with temporary_settings({PREFECT_API_URL: server}), get_client(sync_client=True) as made:
        yield made


@pytest.fixture
def root(client: SyncPrefectClient, tmp_path: Path) -> Path:
    """A workspace whose deployments the server has, besides those of somebody else, one of a name that is ours too."""
    (tmp_path / "prefect.yaml").write_text(DEPLOYMENTS)
    for name in (*OURS, *THEIRS):
        flow, _, deployment = name.partition("/")
        own = _post(client, "/flows/", name=flow)["id"]
        _post(client, "/deployments/", name=deployment, flow_id=own, enforce_parameter_schema=False)
    return tmp_path


def _post(client: SyncPrefectClient, path: str, **body: Any) -> Any:
    return client.request("POST", path, json=body).json()


def _deployment(client: SyncPrefectClient, name: str) -> uuid.UUID:
    return client.read_deployment_by_name(name if "/" in name else f"{name}/{name}").id


def _run(client: SyncPrefectClient, deployment: str) -> str:
    found = _deployment(client, deployment)
    return str(_post(client, f"/deployments/{found}/create_flow_run", parameters={})["id"])


def _enter(client: SyncPrefectClient, run: str, kind: str, name: str, message: str = "") -> None:
    state = {"type": kind, "name": name, "message": message}
    _post(client, f"/flow_runs/{run}/set_state", state=state, force=True)


def _beat(client: SyncPrefectClient, run: str) -> None:
    """What the process of a run tells now and then."""
    deployment = client.read_flow_run(uuid.UUID(run)).deployment_id
    role = {"prefect.resource.id": f"prefect.deployment.{deployment}", "prefect.resource.role": "deployment"}
    _event(client, zombies.HEARTBEAT, f"prefect.flow-run.{run}", (role,))


def _event(
    client: SyncPrefectClient, name: str, resource: str, related: Sequence[Mapping[str, str]] = (), **payload: Any
) -> None:
    event = {
        "occurred": datetime.now(UTC).isoformat(),
        "event": name,
        "resource": {"prefect.resource.id": resource},
        "related": related,
        "payload": payload,
        "id": str(uuid.uuid4()),
    }
    client.request("POST", "/events", json=[event])


@contextmanager
def _webhook(client: SyncPrefectClient, name: str) -> Iterator[list[dict[str, str]]]:
    """A web server, and a notification block of that name that points at it; what it receives."""
    handler = type("Handler", (Messages,), {"received": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as hook:
        threading.Thread(target=hook.serve_forever, daemon=True).start()
        kind = client.request("GET", "/block_types/slug/custom-webhook").json()["id"]
        schema = _post(client, "/block_schemas/filter", block_schemas={"block_type_id": {"any_": [kind]}})[0]["id"]
        url, sent = f"http://127.0.0.1:{hook.server_port}/", {"title": "{{subject}}", "text": "{{body}}"}
        data = {"name": name, "url": url, "json_data": sent}
        _post(client, "/block_documents/", name=name, data=data, block_type_id=kind, block_schema_id=schema)
        yield handler.received
        hook.shutdown()


def _settled(client: SyncPrefectClient) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in _post(client, "/automations/filter")}


@pytest.mark.usefixtures("root")
def test_a_run_without_a_sign_of_life_is_marked_and_one_that_rests_is_not(client: SyncPrefectClient) -> None:
    watched = {name: _deployment(client, name) for name in OURS}
    settle(client, zombies.automations(watched, patience=timedelta(seconds=10)))
    dead, resting, alive = (_run(client, "pipeline") for _ in range(3))
    theirs = _run(client, "theirs/pipeline")
    for run in (dead, resting, alive, theirs):
        _enter(client, run, "RUNNING", "Running")
        _beat(client, run)
    time.sleep(2)  # the server takes in what it is told in no certain order
    _enter(client, resting, "PAUSED", "Suspended")

    def is_dead() -> bool:
        _beat(client, alive)
        time.sleep(1)
        return client.read_flow_run(uuid.UUID(dead)).state_name == "Crashed"

    wait_for(is_dead, seconds=60)
    state = client.read_flow_run(uuid.UUID(dead)).state
    assert state
    assert "No sign of life for 10 s" in str(state.message)
    for _ in range(10):
        _beat(client, alive)
        time.sleep(1)
    assert client.read_flow_run(uuid.UUID(theirs)).state_name == "Running", "it is none of ours"
    assert client.read_flow_run(uuid.UUID(alive)).state_name == "Running"
    assert client.read_flow_run(uuid.UUID(resting)).state_name == "Suspended"


def test_announcements_start_recuration_with_their_uris_as_they_are(client: SyncPrefectClient, root: Path) -> None:
    uris = ["s3://bucket/new", "{{ 6 * 7 }} '\"; $(id)", '{"__prefect_kind": "json", "value": "{}"}', "é\n\\u0000 %s"]
    automations.apply(client, root, UpSettings())
    before = {each.id for each in client.read_flow_runs(limit=200)}
    time.sleep(2)  # the server hears of automations a little later
    _event(client, "dinov2.data.announced", "somebody.elses", uri="not this one")
    for uri in uris:
        _event(client, "dinov2.data.announced", "dinov2.pool", uri=uri)

    def started() -> list[FlowRun]:
        return [each for each in client.read_flow_runs(limit=200) if each.id not in before]

    wait_for(lambda: len(started()) >= len(uris), seconds=30)
    time.sleep(2)
    assert sorted(run.parameters["announced"] for run in started()) == sorted(uris)
    assert all(list(run.parameters) == ["announced"] for run in started())
    recurate = client.read_deployment_by_name("recurate/recurate").id
    assert {run.deployment_id for run in started()} == {recurate}


def test_messages_about_our_runs_arrive_and_no_others(client: SyncPrefectClient, root: Path) -> None:
    with _webhook(client, "team") as received:
        automations.apply(client, root, UpSettings(notify="custom-webhook/team"))
        time.sleep(2)
        for other in THEIRS:
            _enter(client, _run(client, other), "FAILED", "Failed")
        run = _run(client, "pipeline")
        name = client.read_flow_run(uuid.UUID(run)).name
        _enter(client, run, "RUNNING", "Running")
        _enter(client, run, "PAUSED", "Suspended", "DINOv2-S@2 against DINOv2-S@1")
        _enter(client, run, "FAILED", "Failed", "stage pretrain failed with exit code 1 & {{ flow }} <b>")
        _enter(client, run, "CRASHED", "Crashed", "the worker has ended")
        _enter(client, run, "COMPLETED", "Completed")
        occasions = ["waits for approval", "has failed", "has crashed", "has succeeded"]
        wait_for(lambda: len(received) >= len(occasions), seconds=30)
        time.sleep(2)
        assert sorted(each["title"] for each in received) == sorted(f"pipeline {name} {each}" for each in occasions)
        failed = next(each["text"] for each in received if "has failed" in each["title"])
        assert failed.splitlines()[:4] == [
            "Flow: pipeline",
            f"Run: {name}",
            "State: Failed",
            "stage pretrain failed with exit code 1 & {{ flow }} <b>",
        ]
        assert f"/runs/flow-run/{run}" in failed


def test_settling_again_changes_nothing_and_what_is_no_more_wanted_goes(client: SyncPrefectClient, root: Path) -> None:
    trigger = {"type": "event", "posture": "Reactive", "expect": ["nothing.of.ours"], "threshold": 1, "within": 0}
    _post(client, "/automations/", name="a user's own", trigger=trigger, actions=[])
    with _webhook(client, "mail"):
        automations.apply(client, root, UpSettings(notify="custom-webhook/mail"))
        first = _settled(client)
        assert len(first) == 3 + len(notify.OCCASIONS)
        off = first["dinov2: tell when a run has succeeded"]
        client.request("PATCH", f"/automations/{off['id']}", json={"enabled": False})  # type: ignore[arg-type]
        before = _settled(client)
        automations.apply(client, root, UpSettings(notify="custom-webhook/mail"))
        assert _settled(client) == before, "not even touched"
    with _webhook(client, "chat"):
        automations.apply(client, root, UpSettings(notify="custom-webhook/chat"))
        changed = _settled(client)
        assert changed.keys() == before.keys()
        assert changed[off["name"]]["actions"] != off["actions"]
        assert not changed[off["name"]]["enabled"], "switched off by a person"
    automations.apply(client, root, UpSettings())
    assert len(_settled(client)) == 3
    assert "a user's own" in _settled(client)


def test_a_block_that_is_not_there_is_named_with_those_that_are(client: SyncPrefectClient, root: Path) -> None:
    with (
        _webhook(client, "alerts"),
        pytest.raises(ConfigError, match=r"DINOV2_NOTIFY: 'slack-webhook/alerts': .*custom-webhook/alerts"),
    ):
        automations.apply(client, root, UpSettings(notify="slack-webhook/alerts"))


def test_the_gpus_limit_follows_the_quota(client: SyncPrefectClient) -> None:
    limit_gpus(client, None)
    for quota in (4, 4, 2):
        limit_gpus(client, quota)
        assert client.read_global_concurrency_limit_by_name(GPUS).limit == quota
    limit_gpus(client, None)
    assert GPUS not in {each.name for each in client.read_global_concurrency_limits()}

"""The automations on a real server: dead runs are marked, announcements start runs, messages arrive."""

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from dinov2.errors import ConfigError
from flows import automations
from flows.addresses import Address
from flows.automations import notify, settle, zombies
from flows.limits import GPUS, limit_gpus
from flows.servers import answers, wait_until
from flows.services import prefect_server
from flows.settings import UpSettings
from flows.supervision import Supervised
from tests.flows.conftest import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.long]

DEPLOYMENTS = "deployments: [{name: pipeline, entrypoint: a.py:a}, {name: recurate, entrypoint: a.py:a}]"


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
    root = tmp_path_factory.mktemp("server")
    address = Address("127.0.0.1", 0)
    with address.listen("Prefect", "X") as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        up = UpSettings(prefect_port=listening.getsockname()[1])
        secrets = {"PREFECT_HOME": str(root / "prefect"), "PREFECT_API_URL": f"{url}/api"}
        with Supervised(prefect_server(up, listening, secrets), root) as running:
            wait_until(lambda: answers(f"{url}/api/health"), running.process, "prefect-server", root)
            yield f"{url}/api"


@pytest.fixture
def client(server: str) -> Iterator[SyncPrefectClient]:
    """Of the server."""
    with temporary_settings({PREFECT_API_URL: server}), get_client(sync_client=True) as made:
        yield made


@pytest.fixture
def root(client: SyncPrefectClient, tmp_path: Path) -> Path:
    """A workspace whose deployments the server has, besides one of somebody else."""
    (tmp_path / "prefect.yaml").write_text(DEPLOYMENTS)
    for name in ("pipeline", "recurate", "theirs"):
        flow = _post(client, "/flows/", name=name)["id"]
        _post(client, "/deployments/", name=name, flow_id=flow, enforce_parameter_schema=False)
    return tmp_path


def _post(client: SyncPrefectClient, path: str, **body: Any) -> Any:
    return client.request("POST", path, json=body).json()


def _run(client: SyncPrefectClient, deployment: str) -> str:
    found = client.read_deployment_by_name(f"{deployment}/{deployment}").id
    return str(_post(client, f"/deployments/{found}/create_flow_run", parameters={})["id"])


def _enter(client: SyncPrefectClient, run: str, kind: str, name: str, message: str = "") -> None:
    state = {"type": kind, "name": name, "message": message}
    _post(client, f"/flow_runs/{run}/set_state", state=state, force=True)


def _event(client: SyncPrefectClient, name: str, resource: str, **payload: Any) -> None:
    event = {
        "occurred": datetime.now(UTC).isoformat(),
        "event": name,
        "resource": {"prefect.resource.id": resource},
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
    settle(client, [zombies.automation(patience=timedelta(seconds=10))])
    dead, resting, alive = (_run(client, "pipeline") for _ in range(3))
    for run in (dead, resting, alive):
        _enter(client, run, "RUNNING", "Running")
        _event(client, zombies.HEARTBEAT, f"prefect.flow-run.{run}")
    _enter(client, resting, "PAUSED", "Suspended")

    def is_dead() -> bool:
        _event(client, zombies.HEARTBEAT, f"prefect.flow-run.{alive}")
        time.sleep(1)
        return client.read_flow_run(uuid.UUID(dead)).state_name == "Crashed"

    wait_for(is_dead, seconds=60)
    state = client.read_flow_run(uuid.UUID(dead)).state
    assert state
    assert "No sign of life for 10 s" in str(state.message)
    time.sleep(10)
    _event(client, zombies.HEARTBEAT, f"prefect.flow-run.{alive}")
    assert client.read_flow_run(uuid.UUID(alive)).state_name == "Running"
    assert client.read_flow_run(uuid.UUID(resting)).state_name == "Suspended"


@pytest.mark.parametrize(
    "uri", ["s3://bucket/new", "{{ 6 * 7 }} '\"; $(id)", '{"__prefect_kind": "json", "value": "{}"}', "é\n\\u0000 %s"]
)
def test_an_announcement_starts_recuration_with_its_uri_as_it_is(
    uri: str, client: SyncPrefectClient, root: Path
) -> None:
    automations.apply(client, root, UpSettings())
    before = {each.id for each in client.read_flow_runs(limit=200)}
    time.sleep(2)  # the server hears of automations a little later
    _event(client, "dinov2.data.announced", "dinov2.pool", uri=uri)
    _event(client, "dinov2.data.announced", "somebody.elses", uri="not this one")
    new: list[Any] = []

    def started() -> bool:
        new[:] = [each for each in client.read_flow_runs(limit=200) if each.id not in before]
        return bool(new)

    wait_for(started, seconds=30)
    time.sleep(2)
    assert started()
    (run,) = new
    assert run.parameters == {"announced": uri}
    assert run.deployment_id == client.read_deployment_by_name("recurate/recurate").id


def test_messages_about_our_runs_arrive_and_no_others(client: SyncPrefectClient, root: Path) -> None:
    with _webhook(client, "team") as received:
        automations.apply(client, root, UpSettings(notify="custom-webhook/team"))
        time.sleep(2)
        _enter(client, _run(client, "theirs"), "FAILED", "Failed")
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

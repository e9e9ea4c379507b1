"""Promotion through `make up`: compared for real, approved as the page does it, and seen in the registry."""

from collections.abc import Iterator
from typing import Any

import pytest

from dinov2.registry.promotion.contenders import aliases
from dinov2.settings import Settings
from tests.flows.backbones import BLIND, BLIND_TOO, MODEL, SEEING, register_versions
from tests.flows.conftest import Workspace, wait_for
from tests.flows.serving import ENDS, Up, up


class Promotions:
    """What a user does about promotions on the page of a run, and what comes of it in the registry."""

    def __init__(self, running: Up) -> None:
        """Of servers that run."""
        self.up = running

    def start(self, candidate: str) -> str:
        """Fill in the form; the run."""
        return self.up.create("promote/promote", model=MODEL, candidate=candidate)

    def wait_for_form(self, run: str) -> None:
        """Wait until the run waits for an answer."""
        wait_for(lambda: self.up.state(run) in ("PAUSED", *ENDS), seconds=300)
        assert self.up.state(run) == "PAUSED", self.up.run(run)["state"]
        key = self.up.run(run)["state"]["state_details"]["run_input_keyset"]["description"]
        wait_for(lambda: self.up.status(f"/flow_runs/{run}/input/{key}") == 200)

    def answer(self, run: str, **given: Any) -> str:
        """Fill in the form of a run that waits; whether the server takes it."""
        return str(self.up.ask(f"/flow_runs/{run}/resume", {"run_input": given})["status"])

    def shown(self, run: str) -> str:
        """What the person sees who is asked."""
        key = self.up.run(run)["state"]["state_details"]["run_input_keyset"]["description"]
        return str(self.up.ask(f"/flow_runs/{run}/input/{key}"))

    def aliases(self) -> dict[str, str]:
        """The model's aliases but `candidate`."""
        found = aliases(MODEL, Settings(), self.up.workspace.root)
        return {name: version for name, version in found.items() if name != "candidate"}


@pytest.fixture
def promotions(workspace: Workspace) -> Iterator[Promotions]:
    register_versions(workspace)
    with up(workspace, DINOV2_DEVICE="cpu", DINOV2_THREADS="1") as running:
        yield Promotions(running)


@pytest.mark.slow
def test_a_person_decides_with_the_comparison_in_front_and_the_alias_moves(promotions: Promotions) -> None:
    running = promotions.up
    # No champion yet: a person is asked all the same, and an answer without a name is none.
    first = promotions.start(BLIND)
    promotions.wait_for_form(first)
    assert "none yet" in promotions.shown(first)
    assert promotions.answer(first, approve=True, reason="the first") == "REJECT"
    assert promotions.answer(first, approve=True, reason="  ", name="Ann") == "REJECT"
    assert running.state(first) == "PAUSED"
    assert promotions.answer(first, approve=True, reason="the first", name="Ann Lee") == "ACCEPT"
    assert running.wait_for_end(first)["message"] == f"{MODEL} version {BLIND}: promoted"
    assert promotions.aliases() == {"champion": BLIND}

    # Two wait at a time, in no process: the worker may die meanwhile.
    equal, better = promotions.start(BLIND_TOO), promotions.start(SEEING)
    for run in (equal, better):
        promotions.wait_for_form(run)
    running.kill("worker")
    page = promotions.shown(better)
    assert "photos.knn.accuracy | 100.0% | 50.0% | +50.0 points" in page
    # A person may refuse what the rules allow.
    assert promotions.answer(equal, approve=False, reason="no better", name="Ann Lee") == "ACCEPT"
    assert promotions.answer(better, approve=True, reason="it sees", name="Bo") == "ACCEPT"
    assert running.wait_for_end(equal)["message"] == f"{MODEL} version {BLIND_TOO}: refused"
    assert running.wait_for_end(better)["message"] == f"{MODEL} version {SEEING}: promoted"
    assert promotions.aliases() == {"champion": SEEING, "previous_champion": BLIND}

    # A broken rule: nobody is asked.
    worse = running.wait_for_end(promotions.start(BLIND_TOO), seconds=300)
    assert worse["type"] == "FAILED"
    assert "breaks rules.yaml: *.knn.accuracy: −50.0 points" in worse["message"]

    code, said = running.workspace.run("-m", "dinov2.cli", "rollback", MODEL, "--reason", "fog", "--who", "Bo")
    assert (code, said.strip()) == (0, f"{MODEL}: champion was version {SEEING}, is version {BLIND}")
    assert promotions.aliases()["champion"] == BLIND
    code, said = running.workspace.run("-m", "dinov2.cli", "rollback", MODEL, "--reason", "rain", "--who", "Bo")
    assert code == 2
    assert "has been rolled back already" in said

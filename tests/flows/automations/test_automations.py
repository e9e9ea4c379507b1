"""What the automations listen for, and that they are those of this project alone."""

import os
import subprocess
import sys
from uuid import UUID, uuid4

from flows.automations import announced, notify, zombies

PIPELINE, RECURATE = UUID(int=1), UUID(int=2)


def test_a_heartbeat_or_any_state_in_which_no_process_is_expected_keeps_a_run_from_being_marked() -> None:
    (automation,) = zombies.automations({"pipeline/pipeline": PIPELINE})
    trigger = automation.trigger
    assert trigger.after == {"prefect.flow-run.heartbeat"}
    assert trigger.after < trigger.expect
    rests = {"Paused", "Suspended", "AwaitingRetry", "Completed", "Failed", "TimedOut", "Crashed", "Cancelled"}
    assert {f"prefect.flow-run.{state}" for state in rests} < trigger.expect
    assert trigger.for_each == {"prefect.resource.id"}, "each run on its own"


def test_runs_that_wait_for_a_person_and_those_of_others_are_never_marked() -> None:
    (automation,) = zombies.automations({"pipeline/pipeline": PIPELINE, "promote/promote": RECURATE})
    related = automation.trigger.match_related.model_dump()
    assert related["prefect.resource.id"] == [f"prefect.deployment.{PIPELINE}"]
    assert zombies.automations({"promote/promote": RECURATE}) == []


def test_heartbeats_come_several_times_before_a_run_is_given_up() -> None:
    # In a process of its own: Prefect keeps the settings that it was first imported with.
    code = "import flows; from prefect.settings import get_current_settings as s; print(s().flows.heartbeat_frequency)"
    own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    done = subprocess.run([sys.executable, "-c", code], env=own, capture_output=True, text=True, check=True)
    assert 3 * float(done.stdout) <= zombies.PATIENCE.total_seconds()


def test_nothing_listens_for_data_where_recuration_is_not_deployed() -> None:
    assert announced.automations({"pipeline/pipeline": PIPELINE}) == []
    (automation,) = announced.automations({"pipeline/pipeline": PIPELINE, "recurate/recurate": RECURATE})
    assert automation.actions[0].deployment_id == RECURATE


def test_messages_are_about_runs_of_this_projects_deployments() -> None:
    block = uuid4()
    told = notify.automations(block, [RECURATE, PIPELINE])
    assert len(told) == len(notify.OCCASIONS)
    for automation in told:
        related = automation.trigger.match_related.model_dump()
        assert related["prefect.resource.id"] == [f"prefect.deployment.{each}" for each in (PIPELINE, RECURATE)]
        assert automation.actions[0].block_document_id == block
    listened = [event for automation in told for event in automation.trigger.expect]
    assert len(listened) == len(set(listened)), "nothing is told twice"

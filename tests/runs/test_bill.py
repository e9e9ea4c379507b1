"""What a stage took, over its attempts, here and by jobs elsewhere."""

from pathlib import Path

import pytest

from dinov2.launch.taken import Taken, note
from dinov2.runs.bill import Bill, cost_in, ledger
from dinov2.runs.cost import Cost

HOUR = 3600.0


def bill(root: Path, gpus: int = 4, elsewhere: bool = False, stage: str = "distill@S") -> Bill:
    return Bill(ledger(root, "run-1"), stage, gpus, elsewhere)


def job(of: Bill, gpu_seconds: float, name: str = "s-01") -> None:
    """As the launcher notes it."""
    note(Taken(stage="distill", job=name, seconds=HOUR, gpu_seconds=gpu_seconds), str(of.notes))


def test_on_this_machine_every_attempt_costs_its_time_on_all_its_gpus(tmp_path: Path) -> None:
    own = bill(tmp_path)
    own.add(HOUR, ran=True, well=False)
    own.add(HOUR / 2, ran=True, well=True)
    assert own.cost() == Cost(6.0)
    assert bill(tmp_path, stage="distill@B").cost() == Cost(0.0)
    assert cost_in(ledger(tmp_path, "run-2"), "distill@S") == Cost(0.0)


def test_what_was_not_run_cost_nothing(tmp_path: Path) -> None:
    own = bill(tmp_path)
    own.add(HOUR, ran=False, well=True)
    assert own.cost() == Cost(0.0)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_without_gpus_it_is_known_to_be_nothing(tmp_path: Path, elsewhere: bool) -> None:
    own = bill(tmp_path, gpus=0, elsewhere=elsewhere)
    own.add(HOUR, ran=True, well=False)
    assert own.cost() == Cost(0.0)


def test_elsewhere_the_launcher_says_what_jobs_took(tmp_path: Path) -> None:
    own = bill(tmp_path, elsewhere=True)
    job(own, 8 * HOUR)
    job(own, 2 * HOUR, "s-02")
    own.add(2 * HOUR, ran=True, well=True)
    assert own.cost() == Cost(10.0)
    job(own, 0.0)  # a job that had run before
    own.add(5.0, ran=True, well=True)
    assert own.cost() == Cost(10.0), "notes are counted once"


def test_what_a_job_took_that_failed_is_not_known(tmp_path: Path) -> None:
    own = bill(tmp_path, elsewhere=True)
    own.add(HOUR, ran=True, well=False)
    assert own.cost() == Cost(0.0, whole=False)
    job(own, 8 * HOUR)
    own.add(HOUR, ran=True, well=True)
    assert own.cost() == Cost(8.0, whole=False)

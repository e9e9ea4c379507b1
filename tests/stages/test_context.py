"""What every stage is given."""

import shutil
from pathlib import Path

import pytest
import torch

from dinov2.settings import Settings
from dinov2.stages.context import Context
from dinov2.stages.job_inputs import key_of
from dinov2.stages.params import load_params
from dinov2.stages.training_job import place_of

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """A workspace whose checkpoints are kept apart from its store."""
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    return Context(tmp_path, load_params(tmp_path), Settings(checkpoints="var/kept"))


def test_checkpoints_live_in_the_store_unless_they_are_given_a_place_of_their_own(context: Context) -> None:
    ordinary = Context(context.root, context.params, Settings())
    cpu = torch.device("cpu")
    assert place_of(ordinary, cpu).store.url == ordinary.store.url
    assert place_of(context, cpu).store.url == str(context.root / "var" / "kept")
    assert context.store.url == ordinary.store.url


def test_a_job_with_checkpoints_elsewhere_is_another_job(context: Context) -> None:
    ordinary = Context(context.root, context.params, Settings())
    assert key_of(context, "work") != key_of(ordinary, "work")
    assert key_of(ordinary, "work") == key_of(Context(context.root, context.params, Settings()), "work")

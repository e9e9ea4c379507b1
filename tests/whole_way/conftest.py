"""The whole way at its smallest: every stage really runs, on the built-in sample, in a copy of this checkout."""

import sys
from pathlib import Path

import pytest

from tests.checkouts import Checkout, checkouts, run
from tests.runs.conftest import in_git


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return checkouts(tmp_path_factory.mktemp("checkouts"))


@pytest.fixture(scope="session")
def walked(checkout: Checkout) -> Path:
    """A checkout in which the flow went the whole way; tests may add to it, and change nothing."""
    root = checkout("flow")
    in_git(root, "add", ".")
    in_git(root, "commit", "--quiet", "--message", "first")
    run(root, "dinov2", "scan")
    run(root, sys.executable, "-m", "flows.pipeline")
    return root

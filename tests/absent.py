"""What a machine lacks that a test needs: the test is skipped, or fails where somebody counts on it."""

import os
from typing import NoReturn

import pytest

NEEDED = "DINOV2_TESTS_NEED"
"""Names separated by commas, of chromium, disk and postgres: as in CI, where a skipped test proves nothing unseen."""


def absent(name: str, why: str) -> NoReturn:
    """End the test.

    Args:
        name: of what is not there; the test fails if `DINOV2_TESTS_NEED` lists it.
        why: for whoever reads it.
    """
    if name in os.environ.get(NEEDED, "").split(","):
        pytest.fail(f"{why}, and {NEEDED} lists {name}")
    pytest.skip(why)

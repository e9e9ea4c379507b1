"""Names of runs go into branches and folders, so little is allowed in them."""

import pytest

from dinov2.errors import ConfigError
from dinov2.runs.names import by_clock, checked


@pytest.mark.parametrize("name", ["a", "nightly", "2026-11-21", "a" * 63, by_clock()])
def test_letters_digits_and_hyphens_are_a_name(name: str) -> None:
    assert checked(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "-a", "a-", "A", "a" * 64, "a/b", "..", "a.lock", "a b", "a\n", "a;reboot", "$(reboot)", "`x`", "ä", "--help"],
)
def test_anything_else_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigError, match=r"name of a run: .*: allowed are 1 to 63 lower-case letters"):
        checked(name)

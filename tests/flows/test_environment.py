"""What the import of flows does to its surroundings: nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = "import flows, prefect; from prefect.settings import PREFECT_HOME; print(PREFECT_HOME.value())"


@pytest.mark.parametrize("taken", [False, True])
def test_importing_flows_makes_nothing_and_needs_no_room(tmp_path: Path, taken: bool) -> None:
    if taken:  # nothing can be made in it
        (tmp_path / "var").touch()
    own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    done = subprocess.run([sys.executable, "-c", CODE], cwd=tmp_path, env=own, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"{tmp_path}/var/prefect\n", "")
    assert [path.name for path in tmp_path.iterdir()] == ["var"] * taken

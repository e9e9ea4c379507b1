"""What the process of a flow loads."""

import subprocess
import sys


def test_a_flow_loads_no_duckdb_which_would_end_it_with_pages_of_complaints() -> None:
    code = "import flows.janitor, flows.pipeline, flows.recurate, sys; print('duckdb' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

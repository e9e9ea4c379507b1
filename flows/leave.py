"""What a worker's pod does before it ends, where it only moves elsewhere: `python -m flows.leave`.

Told to end, Prefect's worker leaves its runs marked as running for ever, and the next one waits for them. Runs that
are killed before that are reported as crashed and leave their jobs alone: these train on, and the next run attaches.
"""

import contextlib
import sys

import psutil

from flows.process import GRACE_S

SERVER = ["-m", "flows.serve"]


def leave(server: psutil.Process, patience: float = 2 * GRACE_S) -> int:
    """Kill every run that `server` carries out, and wait until nothing that the runs started is left.

    Args:
        server: the process that serves the deployments; it lives on.
        patience: seconds to wait; the launchers say farewell to their jobs meanwhile.

    Returns:
        How many runs there were.
    """
    below = server.children(recursive=True)  # before the runs die: orphans are nobody's children
    runs = server.children()
    for run in runs:
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended by itself meanwhile
            run.kill()
    psutil.wait_procs(below, timeout=patience)
    return len(runs)


def main() -> int:
    """Leave the runs of this machine's worker; 0, even when there is none."""
    for process in psutil.process_iter(["cmdline"]):
        if (process.info["cmdline"] or [])[1:3] == SERVER:
            print(f"left {leave(process)} runs to themselves", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

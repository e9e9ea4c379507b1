"""Wait until the cluster's DNS knows a host: `python -m dinov2.launch.kubernetes.wait HOST`.

Pods of a job start at different times, and a name that is not known yet may be remembered as unknown for a while.
"""

import os
import signal
import socket
import sys
import time

from dinov2.errors import EXIT_AGAIN
from dinov2.launch.job import PATIENCE, PATIENCE_S

EVERY_S = 1.0


def wait_for(host: str, seconds: float) -> bool:
    """Whether the name is known before so many seconds have passed."""
    deadline = time.monotonic() + seconds
    while not _known(host):
        if time.monotonic() > deadline:
            return False
        time.sleep(EVERY_S)
    return True


def _known(host: str) -> bool:
    try:
        return bool(socket.getaddrinfo(host, None))
    except OSError:
        return False


def main(host: str) -> int:
    """Exit code: 0, also if the name is not known after all: its pod may have delivered and gone."""
    # The first process of a container is not ended by a signal that it does not handle.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_AGAIN))
    seconds = float(os.environ.get(PATIENCE, PATIENCE_S))
    if not wait_for(host, seconds):
        print(f"{host}: the cluster's DNS does not know it after {seconds:.0f} s", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

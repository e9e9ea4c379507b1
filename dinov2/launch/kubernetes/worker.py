"""What runs in a pod: `python -m dinov2.launch.kubernetes.worker NAME` makes a workspace of the current folder from the
store, does this pod's part of the job NAME in it, and puts what was written into the store.
"""

import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dinov2.errors import EXIT_AGAIN, EXIT_USER_ERROR, ConfigError, UnreachableError, UserError
from dinov2.launch.failure import Failure
from dinov2.launch.job import CODE
from dinov2.launch.kubernetes.exchange import code_digest, deliver, delivered, fetch
from dinov2.launch.kubernetes.part import Part, patience, wait_for_delivery, work
from dinov2.settings import load_settings
from dinov2.storage import Store

COMPLETION_INDEX = "JOB_COMPLETION_INDEX"
"""Environment variable of the pods of an Indexed Job."""
STEADY_S = 600.0
"""Who has worked for so long after all had met, and then loses contact, is not to blame: no attempt is counted."""


def main(name: str) -> int:
    """Do this pod's part.

    Returns:
        0, when all that the part is for lies in the store; what the first process to fail ended with;
        `EXIT_AGAIN` when it was told to stop, or only lost the others after a good while.
    """
    # The first process of a container is not ended by a signal that it does not handle.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_AGAIN))
    _check_code()
    settings, root, index = load_settings(), Path.cwd(), int(os.environ.get(COMPLETION_INDEX, "0"))
    store = Store(settings.store, root)
    part = Part(fetch(name, root, store), name, index, settings, root, store)
    began = time.time()
    while not delivered(name, index if part.delivers else 0, store):
        ended = work(part)
        if ended.code:
            if ended.failure:
                print(ended.failure.line, file=sys.stderr, flush=True)
            steady = ended.seconds > patience() + STEADY_S
            lost = steady and ended.failure and ended.failure.lost_contact
            code = EXIT_AGAIN if lost or ended.stopped else ended.code
            return code if code >= 0 else 128 - code
        if part.delivers:
            deliver(part.job, name, index, root, store, _facts(part, began))
        else:
            wait_for_delivery(part)
    return 0


def _check_code() -> None:
    """Raise a ConfigError if the image has other code than the caller, which would take its results for its own."""
    wanted = os.environ.get(CODE)
    if wanted and wanted != code_digest():
        raise ConfigError("image: has other code than who launched the job; build, push and name one in k8s/jobs.yaml")


def _facts(part: Part, began: float) -> dict[str, float]:
    return {
        "began": began,
        "seconds": time.time() - began,
        "nodes": part.settings.nodes,
        "processes": part.settings.processes,
        "gpus": len(list(Path("/dev").glob("nvidia[0-9]*"))),
    }


@contextmanager
def _told() -> Iterator[None]:
    """What goes wrong outside the processes is told as one of them would have told it."""
    try:
        yield
    except Exception as error:
        known = isinstance(error, UserError | UnreachableError)
        code = EXIT_USER_ERROR if isinstance(error, UserError) else 1
        text = str(error) if known else traceback.format_exc()
        rank = int(os.environ.get(COMPLETION_INDEX, "0")) * int(os.environ.get("DINOV2_PROCESSES", "1"))
        print(f"error: {text}", file=sys.stderr)
        print(Failure(rank=rank, time=time.time(), code=code, error=text).line, file=sys.stderr, flush=True)
        raise SystemExit(code) from None


if __name__ == "__main__":
    with _told():
        sys.exit(main(*sys.argv[1:]))

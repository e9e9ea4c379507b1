"""torchrun that says what went wrong: which processes were killed, or that the machines did not come together."""

import os
import signal
import sys
import time
from pathlib import Path

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import parse_args, run

from dinov2.errors import EXIT_AGAIN
from dinov2.launch.failure import Failure, in_words, leave
from dinov2.launch.job import FAILURES
from dinov2.launch.parent import end_with_parent


def main(arguments: list[str]) -> int:
    """Run what the arguments of torchrun say.

    Returns:
        0; 1 when a process failed; `EXIT_AGAIN` when the machines could not start together, or lost the one at which
        they meet.
    """
    end_with_parent()
    try:
        run(parse_args(arguments))
    except ChildFailedError as error:
        # Those that end by themselves have left a failure. Of the others most were told to end when one had failed.
        silent = {rank: end.exitcode for rank, end in error.failures.items()}
        killed = {rank: code for rank, code in silent.items() if code != -signal.SIGTERM}
        for rank, code in (killed or silent).items():
            leave(Failure(rank=rank, time=time.time(), code=code, error=in_words(code)), Path(os.environ[FAILURES]))
        return 1
    except Exception as error:
        print(f"torchrun: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return EXIT_AGAIN
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

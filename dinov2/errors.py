"""Errors that are the user's to mend. The command line prints them in one line and exits with `EXIT_USER_ERROR`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

EXIT_USER_ERROR = 2
"""Exit code of a mistake that trying again cannot cure: launchers must not retry it."""
EXIT_AGAIN = 75
"""Exit code of a run that was told to stop and saved its state: start it again."""


class UserError(Exception):
    """What was given is wrong; the message names the file, key or field, the value and what is allowed."""


class ConfigError(UserError):
    """A parameter or setting is unknown, of the wrong type or impossible."""


class MissingBucketError(ConfigError):
    """There is no bucket of that name."""


class DataError(UserError):
    """An image, manifest, source or weights file cannot be used as it is."""


class UnreachableError(Exception):
    """A store or server did not answer for as long as it is waited for. It may later: no mistake of the user."""


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """Print a `UserError` of the block to standard error, without a traceback, and exit with `EXIT_USER_ERROR`.

    An `UnreachableError` likewise, but with 1: trying again may cure it.
    """
    try:
        yield
    except (UserError, UnreachableError) as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        raise SystemExit(EXIT_USER_ERROR if isinstance(error, UserError) else 1) from None

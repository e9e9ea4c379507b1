"""Errors that are the user's to mend. The command line prints them in one line and exits with `EXIT_USER_ERROR`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

EXIT_USER_ERROR = 2
"""Exit code of a mistake that trying again cannot cure: launchers must not retry it."""


class UserError(Exception):
    """What was given is wrong; the message names the file, key or field, the value and what is allowed."""


class ConfigError(UserError):
    """A parameter or setting is unknown, of the wrong type or impossible."""


class DataError(UserError):
    """An image, manifest, source or weights file cannot be used as it is."""


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """Print a `UserError` of the block to standard error, without a traceback, and exit with `EXIT_USER_ERROR`."""
    try:
        yield
    except UserError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        raise SystemExit(EXIT_USER_ERROR) from None

"""Commands as children that cannot be orphaned, and their output: to the terminal, a log file and a listener."""

import errno
import os
import pty
import re
import socket
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from flows.lossy import lossy

GRACE_S = 10.0
"""Seconds between SIGTERM and SIGKILL: a training loop may be in the middle of a checkpoint."""
GUARD = Path(__file__).with_name("guard.py")
CHUNK = 65536


class Guarded:
    """A running command; when the block ends, or this process dies, the command and all its descendants end too."""

    def __init__(
        self,
        command: Sequence[str],
        output: int | IO[bytes],
        cwd: Path,
        environment: Mapping[str, str] | None = None,
        grace: float = GRACE_S,
        stdin: int | socket.socket = subprocess.DEVNULL,
    ) -> None:
        """Start `command` in a session of its own, with stdout and stderr going to `output`, by default without stdin.

        `environment` is added to this process's own.
        """
        reading, self._lifeline = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(GUARD), str(reading), str(grace), *command],
            stdin=stdin if isinstance(stdin, int) else stdin.fileno(),
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            pass_fds=[reading],
            start_new_session=True,
        )
        os.close(reading)
        self._open = True

    def poll(self) -> int | None:
        """The command's exit code; None while it runs."""
        return self._process.poll()

    def wait(self) -> int:
        """Wait for the command's end; its exit code, or 128 + the number of the signal that ended it."""
        return self._process.wait()

    def stop(self) -> None:
        """SIGTERM to the command and its descendants, SIGKILL after the grace; returns when none is left."""
        if self._open:
            self._open = False
            os.close(self._lifeline)
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def run(
    command: Sequence[str],
    cwd: Path,
    log: Path,
    listener: Callable[[str], None],
    environment: Mapping[str, str] | None = None,
) -> int:
    """Run `command` to its end and return its exit code; an exception raised meanwhile (Ctrl-C, SIGTERM) stops it.

    Its output goes as it comes to this process's stdout (through a terminal of its own when that is one, so that
    progress bars live), and line by line, without colours and overwritten text, to the file `log` and to `listener`. A
    disk that fills up costs lines of the file, and the command nothing. `environment` is added to this process's own.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    source, sink = _terminal() if sys.stdout.isatty() else os.pipe()
    with os.fdopen(source, "rb", buffering=0) as output, lossy(log, listener) as file:
        try:
            guarded = Guarded(command, sink, cwd, {**_environment(), **(environment or {})})
        finally:
            os.close(sink)
        with guarded:
            for line in lines(_shown(_chunks(output))):
                print(line, file=file)
                listener(line)
            return guarded.wait()


def _environment() -> dict[str, str]:
    """Lines as they come, the commands of this Python's environment, whether or not it was activated, and this process
    as the one that a launcher of jobs elsewhere works for: it tells a cancelled flow from a dead one.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {"PYTHONUNBUFFERED": "1", "PATH": path, "DINOV2_CALLER": str(os.getpid())}


def lines(chunks: Iterator[bytes]) -> Iterator[str]:
    """The lines in a terminal's output as a reader saw them last: no escape sequences, only the text after the last
    carriage return, none that is blank.
    """
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from filter(None, map(_last_seen, whole))
    if final := _last_seen(rest):
        yield final


def _last_seen(line: bytes) -> str:
    text = re.sub(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-Z\\-_])", "", line.decode(errors="replace"))
    return text.rstrip().rpartition("\r")[2]


def _terminal() -> tuple[int, int]:
    """A pseudo-terminal as wide as this process's own: the end to read and the end for the child."""
    reading, child = pty.openpty()
    attributes = termios.tcgetattr(child)
    attributes[1] &= ~termios.OPOST  # ends of lines are made by the real terminal, once
    termios.tcsetattr(child, termios.TCSANOW, attributes)
    termios.tcsetwinsize(child, termios.tcgetwinsize(sys.stdout.fileno()))
    return reading, child


def _chunks(output: IO[bytes]) -> Iterator[bytes]:
    try:
        while chunk := output.read(CHUNK):
            yield chunk
    except OSError as error:
        if error.errno != errno.EIO:  # how a pseudo-terminal says that its last writer is gone
            raise


def _shown(chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        yield chunk

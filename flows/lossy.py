"""Logs that no work fails for: what cannot be written, as on a full disk, is lost, and the log says so afterwards."""

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

GAP = b"[something is missing here: it could not be written]\n"


class _Lossy(io.FileIO):
    """A file whose writes never fail, unless it is a pipe that nobody reads."""

    def __init__(self, file: Path | int, tell: Callable[[str], None]) -> None:
        super().__init__(file, "w", closefd=not isinstance(file, int))
        self._tell, self._lost = tell, False

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            if self._lost:
                super().write(GAP)
                self._lost = False
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            if not self._lost:
                self._lost = True
                self._tell(f"{self.name}: {error.strerror}; going on without it")
            return memoryview(data).nbytes


def lossy(file: Path | int, tell: Callable[[str], None] = lambda _: None) -> TextIO:
    """A text file, written line by line, or a descriptor that stays open; `tell` is told when a loss begins."""
    return io.TextIOWrapper(io.BufferedWriter(_Lossy(file, tell)), encoding="utf-8", line_buffering=True)


def spare_output() -> None:
    """Have this process go on where what it prints cannot be written."""
    sys.stdout.flush()
    sys.stdout, sys.stderr = lossy(sys.stdout.fileno()), lossy(sys.stderr.fileno())

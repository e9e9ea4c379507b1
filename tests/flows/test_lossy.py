"""Output that cannot be written is lost, which the file says once it can be written again; nothing fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.lossy import GAP, lossy

PRINTING = (
    "from flows.lossy import spare_output; spare_output(); print('x' * 100_000); print('y'); print('z', file={to})"
)


def test_a_file_says_what_it_lacks(tmp_path: Path) -> None:
    told: list[str] = []
    path = tmp_path / "log"
    path.touch()
    with lossy(Path("/dev/full"), told.append) as file, path.open("ab") as room:
        print("lost", file=file)
        print("too", "x" * 100_000, file=file)
        os.dup2(room.fileno(), file.fileno())
        print("kept", file=file)
        print("é", file=file)
    assert path.read_text() == f"{GAP.decode()}kept\né\n"
    assert told == ["/dev/full: No space left on device; going on without it"]


def test_a_process_goes_on_that_cannot_print() -> None:
    with Path("/dev/full").open("wb") as full:
        for to in ("sys.stdout", "sys.stderr"):
            code = f"import sys; {PRINTING.format(to=to)}; sys.exit(7)"
            assert subprocess.run([sys.executable, "-c", code], stdout=full, stderr=full).returncode == 7


def test_who_reads_no_more_is_not_written_to_for_ever() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        print("x", file=lossy(writing))
    os.close(writing)

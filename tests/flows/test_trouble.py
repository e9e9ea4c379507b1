"""A full disk and a locked database are told of once, with what to do, and once when they are over."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from flows import trouble
from flows.trouble import Trouble

HOLDER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("begin exclusive")
print("held", flush=True)
sys.stdin.read()
"""


def _make(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("pragma journal_mode=wal")
        database.execute("create table a (b)")


def test_a_full_disk_is_told_of_once_and_again_when_it_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looking = Trouble(tmp_path, tmp_path / "none.db")
    looking.look()
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=3_000_000))
    looking.look()
    looking.look()
    told = capsys.readouterr().out
    assert told.count("\n") == 1
    assert told.startswith(f"the disk of {tmp_path} is full: 3 MB are left; make room")
    monkeypatch.undo()
    looking.look()
    assert capsys.readouterr().out == f"the disk of {tmp_path} is full: no more\n"


@pytest.mark.parametrize("name", ["prefect.db", "a folder?/100%.db"])
def test_a_locked_database_is_told_of_with_who_holds_it(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trouble, "BUSY_LOOKS", 3)
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    _make(path)
    reader = sqlite3.connect(path)  # as Prefect's server, which has it open all the time
    reader.execute("select * from a").fetchall()
    looking = Trouble(tmp_path, path)
    command = [sys.executable, "-c", HOLDER, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        looking.look()
        looking.look()
        assert capsys.readouterr().out == "", "for a moment it often is"
        looking.look()
        looking.look()
        told = capsys.readouterr().out
        assert told.count("\n") == 1
        assert f"{path} is locked: held by process {holder.pid} (" in told
        assert f"process {os.getpid()} " not in told
        holder.stdin.close()
    looking.look()
    assert capsys.readouterr().out == f"{path} is locked: no more\n"
    reader.close()


def test_what_cannot_be_looked_after_is_told_of_once_and_nothing_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "prefect.db"
    path.write_bytes(b"no database" * 1000)
    looking = Trouble(tmp_path, path)
    looking.look()
    looking.look()
    assert capsys.readouterr().out == f"{path} cannot be looked after: file is not a database\n"
    path.unlink()
    _make(path)
    looking.look()
    assert capsys.readouterr().out == f"{path} cannot be looked after: no more\n"
    monkeypatch.setattr(trouble, "BUSY_LOOKS", 1)
    monkeypatch.setattr(trouble, "LOCKS", tmp_path / "none")
    with sqlite3.connect(path, isolation_level=None) as holder:
        holder.execute("begin exclusive")
        (tmp_path / "prefect.db-gone").symlink_to("nowhere")  # as a journal that vanishes
        looking.look()
    assert "held by an unknown process" in capsys.readouterr().out
    Trouble(tmp_path / "gone", path).look()
    assert "gone cannot be looked after: " in capsys.readouterr().out

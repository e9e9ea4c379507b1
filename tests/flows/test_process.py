"""Commands: their output goes everywhere it should, and nothing they start is left behind."""

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import psutil

from flows.process import Guarded, lines, run
from tests.flows.conftest import Workspace, wait_for

FAMILY = """
import subprocess, sys, time
# As torchrun does: a child with a session of its own, which dies of no signal to our group.
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"])
print("ready", flush=True)
time.sleep(600)
"""
ASKER = """
import sys
from pathlib import Path
from flows.process import run
run([sys.executable, "family.py"], Path.cwd(), Path("log"), print)
"""


def test_lines_are_what_a_reader_saw_last() -> None:
    chunks = [b"\x1b[31mred\x1b[0m\nloa", b"ding 1%\rloading 50%\rloading 100%\r\n\n", b"no end \xc3", b"\xa9"]
    assert list(lines(iter(chunks))) == ["red", "loading 100%", "no end é"]


def test_output_goes_to_the_log_and_the_listener_and_the_exit_code_comes_back(tmp_path: Path) -> None:
    heard: list[str] = []
    log = tmp_path / "logs" / "stage.log"
    script = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)"
    assert run([sys.executable, "-u", "-c", script], tmp_path, log, heard.append) == 7
    assert heard == ["out", "err"]
    assert log.read_text() == "out\nerr\n"


def test_a_full_disk_costs_lines_of_the_log_and_the_command_nothing(tmp_path: Path) -> None:
    heard: list[str] = []
    log = tmp_path / "log"
    log.symlink_to("/dev/full")
    assert run([sys.executable, "-c", "for n in range(1000): print(f'{n:0100}')"], tmp_path, log, heard.append) == 0
    told = f"{log}: No space left on device; going on without it"
    assert heard.count(told) == 1
    assert [int(line) for line in heard if line != told] == list(range(1000))


def test_a_command_knows_whom_it_works_for_and_what_it_is_told(tmp_path: Path) -> None:
    heard: list[str] = []
    script = "import os; print(os.environ['DINOV2_CALLER'], os.environ['DINOV2_RERUN'])"
    assert run([sys.executable, "-c", script], tmp_path, tmp_path / "log", heard.append, {"DINOV2_RERUN": "1"}) == 0
    assert heard == [f"{os.getpid()} 1"]


def test_a_signal_is_told_as_shells_do(tmp_path: Path) -> None:
    script = "import os; os.kill(os.getpid(), 9)"
    assert run([sys.executable, "-c", script], tmp_path, tmp_path / "log", print) == 137


def test_on_a_terminal_the_command_has_one_too(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from flows.process import run;"
        "run([sys.executable, '-c', 'import os; print(os.isatty(1), os.isatty(2))'], Path.cwd(), Path('log'), str)"
    )
    reading, terminal = pty.openpty()
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, stdout=terminal, check=True)
    os.close(terminal)
    assert os.read(reading, 1000) == b"True True\r\n"
    os.close(reading)
    assert (tmp_path / "log").read_text() == "True True\n"


def test_stopping_ends_the_whole_family_even_who_ignores_it_or_left_the_session(workspace: Workspace) -> None:
    workspace.write("family.py", FAMILY)
    with (workspace.root / "log").open("wb") as output:
        environment = {"DINOV2_TEST_MARK": workspace.mark}
        with Guarded([sys.executable, "family.py"], output, workspace.root, environment, grace=0.5):
            wait_for(lambda: len(workspace.processes()) == 4)
            wait_for(lambda: "ready" in (workspace.root / "log").read_text())
            time.sleep(0.5)  # for the one that ignores SIGTERM to say so
    assert workspace.processes() == []


def test_what_a_command_leaves_behind_ends_with_it(workspace: Workspace) -> None:
    workspace.write("leaver.py", FAMILY.removesuffix("time.sleep(600)\n"))
    environment = {"DINOV2_TEST_MARK": workspace.mark}
    with Guarded([sys.executable, "leaver.py"], subprocess.DEVNULL, workspace.root, environment, grace=0.2) as guarded:
        assert guarded.wait() == 0
    assert workspace.processes() == []


def test_killing_the_asker_outright_leaves_nobody(workspace: Workspace) -> None:
    workspace.write("family.py", FAMILY)
    asker = workspace.start("-c", ASKER, PYTHONPATH=str(Path(__file__).parents[2]))
    assert asker.stdout is not None
    assert asker.stdout.readline() == "ready\n"
    assert len(workspace.processes()) == 5
    psutil.Process(asker.pid).kill()
    asker.wait()
    wait_for(lambda: not workspace.processes(), seconds=20)

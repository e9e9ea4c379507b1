"""A Postgres server for tests, with a password; it refuses to be root, so that it runs as somebody else."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.absent import absent
from tests.lab import free_ports

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
PASSWORD = "a-password-for-tests"
USERS = ("postgres", "nobody")


@dataclass(frozen=True)
class Postgres:
    """A running server.

    Attributes:
        port: at 127.0.0.1.
        environment: what clients need besides a URL.
    """

    port: int
    environment: dict[str, str]

    def url(self, database: str, driver: str = "") -> str:
        """The URL of a new database, without the password."""
        made = ["createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "ada", database]
        subprocess.run([BINARIES[-1] / made[0], *made[1:]], env={**os.environ, **self.environment}, check=True)
        return f"postgresql{driver}://ada@127.0.0.1:{self.port}/{database}"


@contextlib.contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A server with the user `ada`; the test is skipped where Postgres is not installed."""
    if not BINARIES:
        absent("postgres", "Postgres is not installed: /usr/lib/postgresql is not there")
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = next(name for name in USERS if name in names) if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="postgres-", dir="/tmp"))  # pytest's own folder is closed to other users
    (port,) = free_ports(1)
    try:
        (folder / "password").write_text(PASSWORD)
        if user:
            for path in (folder, folder / "password"):
                shutil.chown(path, user)
        _run(
            user, "initdb", "-D", f"{folder}/data", "-U", "ada", "-A", "scram-sha-256", "--pwfile", f"{folder}/password"
        )
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        _run(user, "pg_ctl", "-D", f"{folder}/data", "-l", f"{folder}/log", "-w", "-o", options, "start")
        yield Postgres(port, {"PGPASSWORD": PASSWORD})
        _run(user, "pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(user: str | None, *command: str) -> None:
    done = subprocess.run(
        [BINARIES[-1] / command[0], *command[1:]], user=user, cwd="/tmp", stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout

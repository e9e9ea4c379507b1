"""The store on a real S3 server: what goes there comes back, whatever the server does meanwhile."""

import hashlib
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from s3fs import S3FileSystem

from dinov2.errors import UnreachableError
from dinov2.storage import Store, file_sha256, patience
from dinov2.storage.s3 import CHUNK, S3
from tests.lab import LAB, ObjectStore
from tests.outage import away

pytestmark = [pytest.mark.slow, pytest.mark.s3]
PARTS = 3
AWAY_S = 8.0
ASKS = """
import sys
from contextlib import suppress
from dinov2.errors import told_in_one_line
from dinov2.storage import Store
store = Store(sys.argv[1])
for ask in (lambda: store.read("a"), lambda: store.list("a")):
    with suppress(SystemExit), told_in_one_line():
        ask()
with told_in_one_line():
    store.write("a", b"1")
"""


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of several parts, the last one shorter."""
    path = tmp_path_factory.mktemp("large") / "file"
    path.write_bytes(random.Random(0).randbytes(PARTS * CHUNK - 12345))
    return path


def test_blobs_come_back_and_are_listed_and_go(bucket: Store) -> None:
    bucket.write("a/one", b"1")
    bucket.write("a/b/two", b"2")
    bucket.write("a/one", b"changed")
    assert bucket.read("a/one") == b"changed"
    assert bucket.read_checked("a/one") is None
    assert bucket.list("a") == ["a/b/two", "a/one"]
    assert bucket.list("none") == []
    assert bucket.exists("a/b/two")
    bucket.delete("a/b")
    bucket.delete("a/b")
    assert not bucket.exists("a/b/two")
    bucket.write("empty", b"")
    assert bucket.read("empty") == b""
    with pytest.raises(FileNotFoundError):
        bucket.read("a/b/two")


def test_what_another_process_writes_is_seen_at_once(bucket: Store) -> None:
    assert bucket.list("a") == []
    assert not bucket.exists("a/one")
    S3FileSystem(skip_instance_cache=True).pipe_file(bucket.path("a/one"), b"1")
    assert bucket.exists("a/one")
    assert bucket.list("a") == ["a/one"]


def test_a_large_file_is_sent_in_parts_and_comes_back_the_same(bucket: Store, large: Path, tmp_path: Path) -> None:
    checksum = bucket.upload(large, "large")
    assert checksum == file_sha256(large)
    # The tag of an object of several parts ends with their number.
    assert bucket.fs.info(bucket.path("large"))["ETag"].strip('"').endswith(f"-{PARTS}")
    bucket.download("large", tmp_path / "back", checksum)
    assert file_sha256(tmp_path / "back") == checksum


def test_bytes_that_are_damaged_on_their_way_do_not_arrive(bucket: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.write("one", b"whole")
    client: Any = bucket.fs.s3
    damaged = []

    def damage_once(request: Any, **_: object) -> None:
        if not damaged:
            damaged.append(request.body)
            request.body = b"wrong"

    client.meta.events.register("before-send.s3.PutObject", damage_once)
    monkeypatch.setattr(patience, "FIRST_WAIT_S", 0.01)
    bucket.write("one", b"right")
    assert damaged
    assert bucket.read("one") == b"right"


def test_a_server_that_goes_away_in_the_middle_of_everything_is_waited_for(
    bucket: Store, object_store: ObjectStore, large: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    content = large.read_bytes()
    checksum = bucket.upload(large, "there")
    began = threading.Barrier(5)

    def upload() -> str:
        began.wait()
        return bucket.upload(large, "uploaded")

    def download() -> str:
        began.wait()
        bucket.download("there", tmp_path / "back", checksum)
        return file_sha256(tmp_path / "back")

    def stream_out() -> str:
        with bucket.fs.open(bucket.path("streamed"), "wb") as file:
            began.wait()
            for start in range(0, len(content), CHUNK // 4):
                file.write(content[start : start + CHUNK // 4])
                time.sleep(0.1)
        return hashlib.sha256(bucket.read("streamed")).hexdigest()

    def stream_in() -> str:
        found = hashlib.sha256()
        with bucket.fs.open(bucket.path("there"), "rb") as file:
            began.wait()
            while data := file.read(CHUNK // 4):
                found.update(data)
                time.sleep(0.1)
        return found.hexdigest()

    tasks: list[Callable[[], str]] = [upload, download, stream_out, stream_in]
    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(task) for task in tasks]
        began.wait()
        time.sleep(0.5)
        with away(object_store, AWAY_S):
            listed, written = pool.submit(bucket.list, ""), pool.submit(bucket.write, "small", b"1")
            assert [task.result() for task in running] == [checksum] * 4
            written.result()
            assert "there" in {Path(name).name for name in listed.result()}
    assert bucket.read("small") == b"1"
    said = [line for line in capfd.readouterr().err.splitlines() if "tried again" in line]
    assert len(said) == 1
    assert said[0].startswith(f"{bucket.url}/")


def test_a_server_that_stays_away_is_given_up(
    bucket: Store, object_store: ObjectStore, large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PATIENCE_S", 3.0)
    checksum = bucket.upload(large, "there")
    object_store.stop()
    try:
        with pytest.raises(UnreachableError, match=rf"^{bucket.url}/\S+: given up after \d s: \w+: [^\n]+$"):
            bucket.upload(large, "other")
        with pytest.raises(UnreachableError):
            bucket.download("there", tmp_path / "back", checksum)
    finally:
        object_store.start()
    assert list(tmp_path.iterdir()) == []
    assert bucket.list("") == ["there"]


@pytest.mark.parametrize(
    ("changes", "bucket_name", "said"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "hunter2"}, "", "the secret key does not belong to the access key"),
        ({"AWS_ACCESS_KEY_ID": "hunter2"}, "", "keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "", "Unable to locate credentials; keys come from"),
        ({}, "no-such-bucket", "there is no such bucket"),
        ({}, "No_Bucket", "InvalidBucketName: "),
    ],
)
def test_what_somebody_has_to_mend_is_one_line_at_once(
    changes: dict[str, str], bucket_name: str, said: str, bucket: Store
) -> None:
    url = f"s3://{bucket_name}/prefix" if bucket_name else bucket.url
    environment = {name: value for name, value in (os.environ | changes).items() if value}
    done = subprocess.run(
        [sys.executable, "-c", ASKS, url], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    for line in lines:
        assert line.startswith(f"error: {url}/a: ")
        assert said in line
    assert "hunter2" not in done.stderr


def test_a_server_without_room_is_told_in_one_line(
    bucket: Store, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    if object_store.folder is None:
        pytest.skip("only the lab's server may be filled up")
    monkeypatch.setattr(patience, "PATIENCE_S", 2.0)
    bucket.write("before", b"1")
    with full(object_store), pytest.raises(UnreachableError) as told:
        bucket.write("one", b"1")
    assert str(told.value).startswith(f"{bucket.url}/one: given up after ")
    assert str(told.value).endswith("; the server is overloaded, full or broken")
    bucket.write("one", b"1")
    assert bucket.read("before") == b"1"


@contextmanager
def full(server: ObjectStore) -> Iterator[None]:
    """The lab's server keeps back the whole disk while the block lasts."""
    assert server.folder
    config, pids = server.folder / "etc" / "object.conf", server.folder / "pids"
    config.write_text(config.read_text().replace("[DEFAULT]", "[DEFAULT]\nfallocate_reserve = 100%"))
    numbers = pids.read_text().split()
    os.kill(int(numbers[2]), signal.SIGKILL)
    command = [server.folder / "venv" / "bin" / "python", LAB / "s3" / "serve.py", "object", server.folder / "etc"]
    with (server.folder / "log" / "object.log").open("ab") as log:
        numbers[2] = str(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True).pid)
    pids.write_text("\n".join(numbers) + "\n")
    try:
        yield
    finally:
        server.stop()
        server.start()  # with a configuration of its own


def test_a_process_that_is_forked_makes_connections_of_its_own(bucket: Store) -> None:
    bucket.write("one", b"1")
    fork = multiprocessing.get_context("fork")
    with fork.Pool(2) as pool:
        assert pool.map(bucket.read, ["one"] * 8) == [b"1"] * 8
    assert bucket.read("one") == b"1"


def test_connections_of_the_process_that_it_was_forked_from_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []
    monkeypatch.setattr(S3FileSystem, "close_session", lambda loop, _: closed.append(loop))
    own = S3(skip_instance_cache=True).loop
    S3.close_session(object(), None)
    S3.close_session(own, None)
    assert closed == [own]

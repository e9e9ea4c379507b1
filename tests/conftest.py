"""What tests of several rooms share: the built-in sample, and real photographs where this machine has them."""

import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dinov2.data.sample import make_sample
from dinov2.storage import Store, places
from tests.lab import Cluster, ObjectStore, running_cluster, running_object_store

PHOTOGRAPHS = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def sample_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store that holds the built-in sample; write nothing into it."""
    store = Store(str(tmp_path_factory.mktemp("store")))
    make_sample(store)
    return store


@pytest.fixture(scope="session")
def real_photographs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`real_photographs("websoup")` is the folder of that set, unpacked; the test is skipped where there is none."""
    unpacked: dict[str, Path] = {}

    def folder(name: str) -> Path:
        archive = PHOTOGRAPHS / f"{name}.tar"
        if not archive.is_file():
            pytest.skip(f"no real photographs: {archive} is not there")
        if name not in unpacked:
            place = tmp_path_factory.mktemp(name)
            with tarfile.open(archive) as tar:
                for member in tar:
                    # Python 3.11.2 has no extraction filters yet.
                    if member.isfile() and (place / member.name).resolve().is_relative_to(place):
                        tar.extract(member, place)
            found = [path for path in place.iterdir() if path.is_dir()]
            unpacked[name] = found[0] if [path.name for path in found] == [name] else place
        return unpacked[name]

    return folder


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Kubernetes cluster with 4 GPUs to count; mark tests that use it `cluster`."""
    with running_cluster(tmp_path_factory.mktemp("kubernetes")) as running:
        yield running


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """An S3 server; mark tests that use it `s3`."""
    with running_object_store(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def bucket(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store in a new bucket; this process has the keys."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in object_store.environment.items():
        monkeypatch.setenv(name, value)
    places._s3.cache_clear()
    yield Store(f"{object_store.bucket()}/prefix")
    places._s3.cache_clear()

"""The cluster and the S3 server that these tests work on, with what a team's administrator would have set up there."""

from collections.abc import Iterator

import pytest

from tests.lab import Cluster, ObjectStore
from tests.remote import Remote, remote_checkout


@pytest.fixture(scope="module")
def remote(cluster: Cluster, object_store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    with remote_checkout(cluster, object_store, tmp_path_factory.mktemp("remote")) as made:
        yield made

"""The stage embed by itself, in one process and shared out to the indexes of a job."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from dinov2.curation.config import GistConfig, HashConfig
from dinov2.curation.descriptors import create_descriptor
from dinov2.curation.shards import read_index, read_shard, shard_names
from dinov2.data.manifest import SCHEMA
from dinov2.errors import UserError
from dinov2.stages import embed, files
from dinov2.stages.context import Context, open_workspace

ROOT = Path(__file__).parents[2]
DESCRIPTORS = {"copy": create_descriptor(HashConfig(), Path()), "retrieval": create_descriptor(GistConfig(), Path())}
IMAGES = 25


def drawn(path: Path, seed: int) -> dict[str, object]:
    """Write a picture, and give its row of the manifest; pictures of seeds five apart are equal."""
    blocks = np.random.default_rng(seed % (IMAGES - 5)).integers(0, 255, (4, 5, 3)).astype(np.uint8)
    data = cv2.imencode(".png", cv2.resize(blocks, (80, 64)))[1].tobytes()
    path.write_bytes(data)
    row = {"key": f"pool/{path.name}", "uri": path.name, "sha256": hashlib.sha256(data).hexdigest(), "width": 80}
    return row | {"height": 64, "bytes": len(data), "source": "pool", "role": "pool", "split": "train", "label": None}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Context]:
    """`workspace(store, jobs)`: 20 different images of 25 keys, with a manifest, in the current folder."""
    (tmp_path / "pool").mkdir()
    (tmp_path / "data").mkdir()
    rows = [drawn(tmp_path / "pool" / f"{number:02}.png", number) for number in range(IMAGES)]
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), tmp_path / files.MANIFEST)
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params["ingest"]["sources"] = [{"name": "pool", "uri": "pool", "role": "pool"}]
    params["evaluate"].pop("datasets", None)
    params["embed"] = {"copy": {"kind": "hash"}, "retrieval": {"kind": "gist"}, "shard_size": 3}
    yaml.dump(params, tmp_path / "params.yaml")
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)

    def opened(store: str, jobs: int = 1) -> Context:
        settings = {"STORE": store, "JOBS": str(jobs), "THREADS": "2", "DEVICE": "cpu"}
        for name, value in settings.items():
            monkeypatch.setenv(f"DINOV2_{name}", value)
        return open_workspace()

    return opened


def vectors(context: Context, descriptor: str) -> dict[str, bytes]:
    """The bytes of each image's vector; none is there twice."""
    found: dict[str, bytes] = {}
    for name in shard_names(context.store, descriptor):
        sha256s = read_index(context.store, name)["sha256"].to_pylist()
        assert not found.keys() & set(sha256s)
        rows = read_shard(context.store, name)
        found |= {sha256: row.tobytes() for sha256, row in zip(sha256s, rows, strict=True)}
    return found


def test_the_file_says_what_made_the_vectors_and_nothing_of_shards(workspace: Callable[..., Context]) -> None:
    context = workspace("store")
    embed.run(context)
    facts = json.loads(context.path(files.EMBEDDINGS).read_text())
    for use, kind in (("copy", "hash"), ("retrieval", "gist")):
        own = DESCRIPTORS[use]
        assert facts.pop(use) == {
            "kind": kind,
            "descriptor": own.digest,
            "dim": own.dim,
            "images": 20,
            "copies_above": own.copies_above,
            "leaks_above": own.leaks_above,
        }
    assert not facts


def test_a_job_of_several_indexes_gives_what_one_process_gives(
    workspace: Callable[..., Context], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = workspace("alone")
    embed.run(alone)
    written = alone.path(files.EMBEDDINGS).read_bytes()
    shared = workspace("shared", jobs=2)
    # All is done by the indexes: the stage itself finds nothing to read.
    monkeypatch.setattr("dinov2.curation.embed.read_sizes", lambda *_: pytest.fail("read by the stage"))
    embed.run(shared)
    assert shared.path(files.EMBEDDINGS).read_bytes() == written
    for descriptor in DESCRIPTORS.values():
        assert vectors(shared, descriptor.digest) == vectors(alone, descriptor.digest)
    said = capfd.readouterr().err
    assert all(f"embed, {index} of 2: " in said for index in (1, 2))


def test_equal_descriptors_are_computed_once(workspace: Callable[..., Context]) -> None:
    context = workspace("store")
    same = context.params.embed.model_copy(update={"retrieval": HashConfig()})
    object.__setattr__(context, "params", context.params.model_copy(update={"embed": same}))
    embed.run(context)
    assert len(shard_names(context.store, DESCRIPTORS["copy"].digest)) == 7
    facts = json.loads(context.path(files.EMBEDDINGS).read_text())
    assert facts["copy"] == facts["retrieval"]


def test_an_image_that_changed_is_said_by_the_index_that_has_it(
    workspace: Callable[..., Context], capfd: pytest.CaptureFixture[str]
) -> None:
    context = workspace("store", jobs=2)
    Path("pool/07.png").write_bytes(b"other")
    with pytest.raises(UserError, match="embed: stopped by the error above"):
        embed.run(context)
    assert "error: pool/07.png: its bytes are not those of the manifest any more" in capfd.readouterr().err
    assert not context.path(files.EMBEDDINGS).exists()

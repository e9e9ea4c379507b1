"""The stages embed, deduplicate and retrieve one after another, on files in a workspace."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from dinov2.config import read_yaml
from dinov2.settings import Settings
from dinov2.stages import deduplicate, embed, files, ingest, retrieve
from dinov2.stages.context import Context
from dinov2.stages.params import Params

PARAMS = Path(__file__).parents[2] / "params.yaml"
OUTPUTS = (files.UNIQUE, files.DUPLICATES, files.CURATED, files.metrics("deduplicate"), files.metrics("retrieve"))


def draw(path: Path, seed: int) -> None:
    """A picture of a few large rectangles."""
    random = np.random.default_rng(seed)
    image = np.full((64, 80, 3), random.integers(0, 255, 3), np.uint8)
    for _ in range(8):
        (left, right), (top, bottom) = random.integers(0, 80, 2), random.integers(0, 64, 2)
        colour = tuple(random.integers(0, 255, 3).tolist())
        cv2.rectangle(image, (int(left), int(top)), (int(right), int(bottom)), colour, -1)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)


@pytest.fixture
def workspace(tmp_path: Path) -> Callable[..., Context]:
    """30 images of a pool, of which 5 copies of a curated image and 2 of evaluation images."""
    for number in range(30):
        draw(tmp_path / "pool" / f"{number:02}.jpg", number if number < 23 else number + 77)
    for number in range(100, 105):
        draw(tmp_path / "curated" / f"{number}.jpg", number)
    for number in range(105, 108):
        draw(tmp_path / "held" / f"{number}.jpg", number)

    def make(shard_size: int = 8, store: str = "store", curated: bool = True, **changes: object) -> Context:
        content = read_yaml(PARAMS)
        sources = [("pool", "pool"), *([("curated", "curated")] if curated else []), ("held", "evaluation")]
        content["ingest"] = {"sources": [{"name": name, "uri": name, "role": role} for name, role in sources]}
        content["embed"]["shard_size"] = shard_size
        content["retrieve"] = {"method": "sample", "neighbours": 2, **changes}
        context = Context(tmp_path, Params.model_validate(content), Settings(store=store, threads=1, device="cpu"))
        ingest.run(context)
        return context

    return make


def run(context: Context) -> dict[str, bytes]:
    """The bytes of what the three stages write."""
    for stage in (embed, deduplicate, retrieve):
        stage.run(context)
    return {name: context.path(name).read_bytes() for name in OUTPUTS}


def test_copies_are_dropped_and_likenesses_retrieved(workspace: Callable[..., Context]) -> None:
    context = workspace()
    run(context)
    metrics = json.loads(context.path(files.metrics("deduplicate")).read_text())
    assert metrics["sources"] == {
        "curated": {"kept": 5, "self": 0, "evaluation": 0},
        "pool": {"kept": 23, "self": 5, "evaluation": 2},
    }
    rows = pq.read_table(context.path(files.CURATED)).to_pylist()
    assert {row["reason"] for row in rows} == {"curated", "retrieved"}
    assert [row["key"] for row in rows] == sorted(row["key"] for row in rows)
    assert json.loads(context.path(files.metrics("retrieve")).read_text())["images"] == len(rows)


def test_size_of_shards_changes_no_byte(workspace: Callable[..., Context]) -> None:
    assert run(workspace(shard_size=3, store="one")) == run(workspace(shard_size=1000, store="two"))


def test_order_of_rows_changes_no_byte(workspace: Callable[..., Context]) -> None:
    context = workspace()
    before = run(context)
    table = pq.read_table(context.path(files.MANIFEST))
    pq.write_table(table.take(np.random.default_rng(0).permutation(table.num_rows)), context.path(files.MANIFEST))
    assert run(context) == before


@pytest.mark.parametrize("method", ["sample", "cluster"])
def test_running_again_changes_no_byte(workspace: Callable[..., Context], method: str) -> None:
    context = workspace(method=method, clusters=4, min_hits=0)
    first, index = run(context), context.path(files.EMBEDDINGS).read_bytes()
    assert run(context) == first
    assert context.path(files.EMBEDDINGS).read_bytes() == index


def test_without_a_curated_source_the_terminal_says_so(
    workspace: Callable[..., Context], capsys: pytest.CaptureFixture[str]
) -> None:
    context = workspace(curated=False)
    run(context)
    assert "no curated source: the whole pool is the training set" in capsys.readouterr().out
    assert json.loads(context.path(files.metrics("retrieve")).read_text())["whole_pool"]

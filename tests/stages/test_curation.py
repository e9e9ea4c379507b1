"""The stages embed, deduplicate and retrieve one after another, on files in a workspace."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from dinov2.config import read_yaml
from dinov2.curation.descriptors.hash import HashDescriptor
from dinov2.settings import load_settings
from dinov2.stages import deduplicate, embed, files, ingest, pack, retrieve
from dinov2.stages.context import Context
from dinov2.stages.params import Params
from dinov2.storage import Store

PARAMS = Path(__file__).parents[2] / "params.yaml"
OUTPUTS = (
    files.UNIQUE, files.DUPLICATES, files.CURATED, files.PACKED,
    files.metrics("deduplicate"), files.metrics("retrieve"),
)  # fmt: skip


SMALL = {"clusters": 4, "min_hits": 0, "levels": [6, 2], "target": 10}


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
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Context]:
    """30 images of a pool, of which 5 copies of a curated image and 2 of evaluation images."""
    for number in range(30):
        draw(tmp_path / "pool" / f"{number:02}.jpg", number if number < 23 else number + 77)
    for number in range(100, 105):
        draw(tmp_path / "curated" / f"{number}.jpg", number)
    for number in range(105, 108):
        draw(tmp_path / "held" / f"{number}.jpg", number)
    settings = {"SCRATCH": "scratch", "THREADS": "1", "DEVICE": "cpu"}
    for name, value in settings.items():
        monkeypatch.setenv(f"DINOV2_{name}", value)
    (tmp_path / "dvc.yaml").touch()

    def make(shard_size: int = 8, store: str = "store", curated: bool = True, **changes: object) -> Context:
        content = read_yaml(PARAMS)
        sources = [("pool", "pool"), *([("curated", "curated")] if curated else []), ("held", "evaluation")]
        content["ingest"] = {"sources": [{"name": name, "uri": name, "role": role} for name, role in sources]}
        content["embed"]["shard_size"] = shard_size
        content["retrieve"] = {"method": "sample", "neighbours": 2, **changes}
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
        monkeypatch.setenv("DINOV2_STORE", store)
        context = Context(tmp_path, Params.model_validate(content), load_settings())
        ingest.run(context)
        return context

    return make


def run(context: Context) -> dict[str, bytes]:
    """The bytes of what the three stages write."""
    for stage in (embed, deduplicate, retrieve, pack):
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


@pytest.mark.parametrize("method", ["sample", "cluster", "balanced"])
def test_running_again_changes_no_byte(workspace: Callable[..., Context], method: str) -> None:
    context = workspace(method=method, **SMALL)
    first, index = run(context), context.path(files.EMBEDDINGS).read_bytes()
    assert run(context) == first
    assert context.path(files.EMBEDDINGS).read_bytes() == index


def test_without_a_curated_source_the_terminal_says_so(
    workspace: Callable[..., Context], capsys: pytest.CaptureFixture[str]
) -> None:
    context = workspace(curated=False)
    run(context)
    assert "no curated images: the whole pool is the training set" in capsys.readouterr().out
    assert json.loads(context.path(files.metrics("retrieve")).read_text())["whole_pool"]


class KilledError(Exception):
    """Stands for a signal that no process survives."""


def test_killed_at_any_write_the_stages_end_with_the_same_bytes(
    workspace: Callable[..., Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run(workspace(method="cluster", store="whole", **SMALL))
    context, write, kills, left = workspace(method="cluster", store="killed", **SMALL), Store.write, 0, 0

    def dying(store: Store, name: str, data: bytes) -> None:
        nonlocal left
        if not left:
            raise KilledError
        left -= 1
        write(store, name, data)

    monkeypatch.setattr(Store, "write", dying)
    found: dict[str, bytes] = {}
    while not found:
        # Each life is one write longer than the last, so that they end everywhere between two writes.
        left = kills
        try:
            found = run(context)
        except KilledError:
            kills += 1
    assert found == expected
    assert kills > 5


@pytest.mark.slow
def test_shared_out_to_processes_the_stages_leave_the_same_bytes(
    workspace: Callable[..., Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run(workspace(method="cluster", store="alone", **SMALL))
    for name in ("JOBS", "PROCESSES"):
        monkeypatch.setenv(f"DINOV2_{name}", "2")
    assert run(workspace(method="cluster", store="shared", **SMALL)) == expected


def test_a_pool_that_grew_is_described_only_where_it_is_new(
    workspace: Callable[..., Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    context = workspace()
    run(context)
    draw(context.root / "pool" / "00a.jpg", 200)
    described: list[int] = []
    embed_images = HashDescriptor.embed
    monkeypatch.setattr(
        HashDescriptor, "embed", lambda self, images: described.append(len(images)) or embed_images(self, images)
    )
    ingest.run(context)
    grown = run(context)
    assert sum(described) == 1
    assert grown == run(workspace(store="anew"))


def test_no_copy_of_an_evaluation_image_is_left(workspace: Callable[..., Context], tmp_path: Path) -> None:
    context = workspace()
    for number, path in enumerate(sorted((tmp_path / "held").iterdir())):
        image = cv2.imread(str(path))
        edits = {
            "same": image,
            "smaller": cv2.resize(image, (56, 44), interpolation=cv2.INTER_AREA),
            "brighter": cv2.convertScaleAbs(image, alpha=1.1, beta=8),
            "cropped": image[3:, :-4],
        }
        for name, edit in edits.items():
            cv2.imwrite(str(tmp_path / "pool" / f"{name}-{number}.jpg"), edit, [cv2.IMWRITE_JPEG_QUALITY, 70])
    ingest.run(context)
    run(context)
    kept = pq.read_table(context.path(files.CURATED))["key"].to_pylist()
    assert not [key for key in kept if key.startswith("held/") or "-" in key]
    removed = {row["key"]: row for row in pq.read_table(context.path(files.DUPLICATES)).to_pylist()}
    assert sum(removed[key]["reason"] == "evaluation" for key in removed if "-" in key) == 12

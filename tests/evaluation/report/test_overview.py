import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dinov2.data.manifest import REJECTS, write_manifest
from dinov2.evaluation.pictures.pca import pca_picture
from dinov2.evaluation.report import ReportFiles, build_report

RUNS, MODELS = ("pretrain", "S"), ("S",)
PARAMS = {"seed": 0, "name": "<script>&", "models": ["S"]}
SCORE = {"accuracy": 0.9, "low": 0.8, "high": 0.95, "k10": 0.88}
CONTROL = {"accuracy": 0.3, "low": 0.2, "high": 0.4}
PICTURE = pca_picture(np.zeros((2, 32, 32, 3), np.uint8), np.ones((2, 4, 4, 3)))
FACTS = {"classes": 2, "train": 32, "test": 16, "unseen_classes": 1, "unseen_images": 3, "chance": 0.5}


@pytest.fixture
def files(tmp_path) -> ReportFiles:
    """A workspace in which nothing was made yet."""
    names = ("manifest", "rejects", "duplicates", "curated")
    parquet = {name: tmp_path / f"data/{name}.parquet" for name in names}
    folders = {"metrics": tmp_path / "metrics", "plots": tmp_path / "plots", "pictures": tmp_path / "reports/pca"}
    return ReportFiles(**parquet, **folders)


@pytest.fixture
def filled(files, manifest) -> ReportFiles:
    """The same after all stages."""
    for folder in (files.manifest.parent, files.metrics / "evaluate", files.plots, files.pictures):
        folder.mkdir(parents=True)
    write_manifest(files.manifest, manifest)
    rejects = [{"key": "x", "uri": "x", "source": "shapes", "reason": "truncated", "detail": ""}]
    pq.write_table(pa.Table.from_pylist(rejects, schema=REJECTS), files.rejects)
    keys = manifest["key"].to_pylist()
    removed = {
        "key": keys[:2],
        "kept_key": [keys[2], None],
        "similarity": [0.99, 0.7],
        "reason": ["self", "evaluation"],
    }
    pq.write_table(pa.table(removed), files.duplicates)
    why = {"reason": ["retrieved"] * 3, "query": [keys[30], keys[30], None], "similarity": [0.5, 0.625, None]}
    curated = {"key": keys[3:6], **why, "cluster": pa.array([None, None, 4], pa.int32())}
    pq.write_table(pa.table(curated), files.curated)
    (files.plots / "pretrain.csv").write_text("iteration,loss\n10,8.25\n20,7.5\n", encoding="utf-8")
    (files.metrics / "ingest.json").write_text('{"sources": {"shapes": 48}}', encoding="utf-8")
    protocols = {"knn": {"model": SCORE, "random": CONTROL, "pixels": CONTROL}}
    found = {"labelled_sets": 1, "skipped": {"hats": "has one class only"}, "datasets": {"shapes": FACTS}}
    found["datasets"]["shapes"] = FACTS | {"protocols": protocols}
    (files.metrics / "evaluate/S.json").write_text(json.dumps(found), encoding="utf-8")
    (files.pictures / "S.png").write_bytes(PICTURE.png())
    return files


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.partition("<body>")[2]))


def test_all_sections_are_filled(filled, reader):
    page = build_report(filled, RUNS, MODELS, PARAMS, reader)
    text = text_of(page)
    for expected in (
        "usable images 48", "copies removed 2", "90.0", "80.0 – 95.0", "above its controls",
        "3 test images are of classes without",
        "hats has one class only", "pretrain, 20 iterations", "7.5", "Copies of each other: 1", "0.990", "0.625",
        "truncated 1", "sources.shapes 48", "retrieved: 3", "By their cluster",
    ):  # fmt: skip
        assert expected in text, expected
    assert page.count("data:image/jpeg;base64,") == 2 + 1 + 3 + 1


def test_the_page_needs_nothing_else(filled, reader):
    page = build_report(filled, RUNS, MODELS, PARAMS, reader)
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    assert not re.search(r"https?://|@import|url\(|<script", page)
    assert re.findall(r"<img(?![^>]*\balt=)", page) == []
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page


def test_equal_files_give_equal_bytes(filled, reader):
    assert build_report(filled, RUNS, MODELS, PARAMS, reader) == build_report(filled, RUNS, MODELS, PARAMS, reader)


def test_parameters_stand_in_it_exactly_and_escaped(filled, reader):
    assert "seed: 0\nname: &lt;script&gt;&amp;\nmodels:\n- S\n" in build_report(filled, RUNS, MODELS, PARAMS, reader)


def test_every_section_survives_that_nothing_was_made(files, reader):
    text = text_of(build_report(files, RUNS, MODELS, PARAMS, reader))
    for expected in (
        "No model was evaluated yet", "No pictures of features were made yet", "No training run has left curves yet",
        "Copies were not looked for yet", "Nothing was retrieved yet", "Nothing was read in yet",
    ):  # fmt: skip
        assert expected in text, expected


def test_every_section_survives_that_nothing_was_found(filled, reader):
    for path in (filled.duplicates, filled.rejects):
        pq.write_table(pq.read_table(path).slice(0, 0), path)
    table = pq.read_table(filled.curated)
    nothing = {name: pa.nulls(3, table.schema.field(name).type) for name in ("query", "similarity", "cluster")}
    pq.write_table(pa.table({"key": table["key"], "reason": ["pool"] * 3, **nothing}), filled.curated)
    found = {"labelled_sets": 0, "skipped": {}, "datasets": {}}
    (filled.metrics / "evaluate/S.json").write_text(json.dumps(found), encoding="utf-8")
    text = text_of(build_report(filled, RUNS, MODELS, PARAMS, reader))
    for expected in (
        "No source has labels that can be evaluated", "No copies were found", "the whole pool is trained on", "pool: 3",
        "Every file was a usable image",
    ):  # fmt: skip
        assert expected in text, expected

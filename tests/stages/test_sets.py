"""Sets in folders, as scans note them."""

import json
import os

import pytest

from dinov2.config import parse, read_yaml
from dinov2.errors import ConfigError, DataError
from dinov2.settings import Settings
from dinov2.stages import files, scan
from dinov2.stages.context import Context
from dinov2.stages.params import Params
from tests.stages.test_dvc_yaml import ROOT

SET = {"name": "camvid", "path": "camvid"}


def params(*sets):
    content = read_yaml(ROOT / "params.yaml")
    content["ingest"]["sources"] = [{"name": "photos", "uri": "photos", "role": "pool"}]
    content["evaluate"]["sets"] = list(sets)
    return parse(Params, content, "params.yaml")


@pytest.fixture
def context(tmp_path):
    """A workspace with a set of two files."""
    for name in ("photos/a.png", "camvid/images/a.png", "camvid/masks/a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return Context(tmp_path, params(SET), Settings(store="store", threads=1))


def scanned(context):
    scan.run(context)
    return json.loads(context.path(files.SETS).read_text())["camvid"]


def test_any_file_that_changes_shows_even_where_its_size_does_not(context):
    first = scanned(context)
    assert scanned(context) == first
    (context.root / "camvid/masks/a.png").write_bytes(b"camvid/masks/b.png")
    changed = scanned(context)
    assert changed != first
    (context.root / "camvid/masks/b.png").write_bytes(b"")
    more = scanned(context)
    assert more not in (first, changed)
    (context.root / "camvid/masks/b.png").unlink()
    (context.root / "camvid/masks/a.png").write_bytes(b"camvid/masks/a.png")
    assert scanned(context) == first


def test_a_file_of_the_same_size_and_time_is_not_read_again(context):
    first, mask = scanned(context), context.root / "camvid/masks/a.png"
    times = mask.stat()
    mask.write_bytes(b"camvid/masks/b.png")
    os.utime(mask, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert scanned(context) == first


def test_links_are_followed_once_and_hidden_files_count_for_nothing(context):
    elsewhere = context.root / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "c.png").write_bytes(b"c")
    first = scanned(context)
    (context.root / "camvid/.DS_Store").write_bytes(b"x")
    assert scanned(context) == first
    (context.root / "camvid/more").symlink_to(elsewhere)
    (elsewhere / "round").symlink_to(context.root / "camvid")
    second = scanned(context)
    assert second != first
    (elsewhere / "c.png").write_bytes(b"d")
    assert scanned(context) not in (first, second)


def test_a_folder_that_is_not_there_is_named(context):
    (context.root / "camvid").rename(context.root / "away")
    with pytest.raises(DataError, match=r"evaluate.sets: camvid: .*/camvid: no such folder"):
        scan.run(context)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"path": "s3://bucket/camvid"}, "local folder"),
        ({"layout": "yolo"}, "allowed: cityscapes, ade20k"),
        ({"name": "photos"}, "a source has that name"),
        ({"name": "mean"}, "is the name of the mean"),
        ({"name": "Cam Vid"}, "name"),
    ],
)
def test_a_set_that_cannot_be_is_refused_by_name(change, said):
    with pytest.raises(ConfigError, match=said) as error:
        params(SET | change)
    assert "evaluate" in str(error.value)


def test_two_sets_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="2 are called 'camvid'; each needs its own name"):
        params(SET, SET | {"path": "other"})

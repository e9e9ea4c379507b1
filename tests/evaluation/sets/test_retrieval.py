import pickle
from dataclasses import replace

import numpy as np
import pytest

from dinov2.errors import DataError
from dinov2.evaluation.sets import read_set
from dinov2.evaluation.sets.pixels import read_pixels
from dinov2.evaluation.sets.task import Copies, Retrieval
from tests.evaluation.sets.making import image, text


def walks(root):
    for folder, count in (("query", 3), ("ref", 4)):
        for number in range(count):
            image(root / folder / f"{number}.jpg")


def test_queries_and_positives_of_a_csv(tmp_path):
    walks(tmp_path)
    text(
        tmp_path / "ground_truth.csv",
        "query,matching_refs",
        "query/0.jpg,ref/0.jpg ref/2.jpg",
        "query/1.jpg,",
        "query/2.jpg,ref/3.jpg",
    )
    task = read_set(tmp_path)
    assert isinstance(task, Retrieval)
    assert [each.key for each in task.queries] == ["query/0.jpg", "query/1.jpg", "query/2.jpg"]
    assert [each.key for each in task.database] == [f"ref/{number}.jpg" for number in range(4)]
    assert [each.tolist() for each in task.levels["all"].positives] == [[0, 2], [], [3]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((), "no query in it"),
        (("query/0.jpg,",), "none of the 1 queries has anything to be found"),
        (("query/0.jpg,ref/9.jpg",), r"line 2: .*ref/9.jpg does not exist"),
        (("query/8.jpg,ref/0.jpg",), r"line 2: .*query/8.jpg does not exist"),
        (("query/0.jpg,query/1.jpg", "query/1.jpg,query/0.jpg"), "2 queries lie in the database's folder"),
        (("query/0.jpg",), "line 2: not the 2 fields"),
    ],
)
def test_faults_of_a_ground_truth_are_named(tmp_path, rows, message):
    walks(tmp_path)
    text(tmp_path / "ground_truth.csv", "query,positives", *rows)
    with pytest.raises(DataError, match=message):
        read_set(tmp_path)


def test_copies_and_their_edits(tmp_path):
    for name in ("query/a", "query/b", "query/c", "db/0", "db/1"):
        image(tmp_path / f"{name}.jpg")
    rows = (
        "query/a.jpg,db/1.jpg,crop",
        "query/b.jpg,,none",
        "query/c.jpg,db/0.jpg,collage",
        "query/c.jpg,db/1.jpg,collage",
    )
    text(tmp_path / "ground_truth.csv", "query,db_image,edit", *rows)
    task = read_set(tmp_path)
    assert isinstance(task, Copies)
    assert task.truth.tolist() == [[0, 1], [2, 0], [2, 1]]
    assert task.edits == ("crop", "none", "collage")
    text(tmp_path / "ground_truth.csv", "query,db_image,edit", *rows, "query/a.jpg,db/0.jpg,blur")
    with pytest.raises(DataError, match=r"line 6: query/a.jpg is edited by 'blur' here and by 'crop' above"):
        read_set(tmp_path)


def landmarks(root, truth):
    for number in range(5):
        image(root / "jpg" / f"db{number}.jpg", 20, 30, seed=number)
    image(root / "jpg" / "q0.jpg", 20, 30, seed=9)
    content = {"imlist": [f"db{number}" for number in range(5)], "qimlist": ["q0"], "gnd": [truth]}
    (root / "gnd_roxford5k.pkl").write_bytes(pickle.dumps(content, protocol=2))
    return content


TRUTH = {"bbx": [2.5, 3.0, 10.2, 12.0], "easy": np.array([0, 1]), "hard": [3], "junk": np.array([], dtype=np.int64)}


def test_oxford_revisited_has_three_levels_and_cropped_queries(tmp_path):
    landmarks(tmp_path, TRUTH)
    task = read_set(tmp_path)
    assert isinstance(task, Retrieval)
    found = {name: (level.positives[0].tolist(), level.ignored[0].tolist()) for name, level in task.levels.items()}
    assert found == {"easy": ([0, 1], [3]), "medium": ([0, 1, 3], []), "hard": ([3], [0, 1])}
    assert task.queries[0].box == (2, 3, 11, 12)
    whole = read_pixels(replace(task.queries[0], box=None))
    np.testing.assert_array_equal(read_pixels(task.queries[0]), whole[3:12, 2:11])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"easy": [7]}, "'easy' of a query names image 7 of 5"),
        ({"bbx": [5, 5, 2, 2]}, "a query's box"),
        ({"hard": None}, "'hard' of a query is None, not numbers of images"),
    ],
)
def test_a_wrong_ground_truth_is_named(tmp_path, change, message):
    landmarks(tmp_path, {**TRUTH, **change})
    with pytest.raises(DataError, match=message):
        read_set(tmp_path)


def test_an_image_that_the_ground_truth_lacks_is_named(tmp_path):
    landmarks(tmp_path, TRUTH)
    (tmp_path / "jpg" / "db3.jpg").unlink()
    with pytest.raises(DataError, match=r"gnd_roxford5k.pkl: image 'db3' is not in"):
        read_set(tmp_path)


@pytest.mark.parametrize("content", ["", "image,place\nquery/0.jpg,3\n"])
def test_a_ground_truth_that_is_not_understood_is_no_set_of_classes(tmp_path, content):
    for name in ("query/0.jpg", "ref/0.jpg", "query/1.jpg", "ref/1.jpg"):
        image(tmp_path / name)
    (tmp_path / "ground_truth.csv").write_text(content)
    with pytest.raises(DataError, match=r"ground_truth.csv: no such list, or none with a column of matching_refs"):
        read_set(tmp_path)

import pyarrow as pa
import pytest

from dinov2.errors import DataError
from dinov2.evaluation.datasets import labelled_sets

FIELDS = ("source", "split", "label", "role")


def table(*rows: tuple) -> pa.Table:
    full = [
        dict(zip(FIELDS, row, strict=True)) | {"key": f"{row[0]}/{number}", "uri": str(number), "sha256": "0"}
        for number, row in enumerate(rows)
    ]
    return pa.Table.from_pylist(full)


GOOD = [
    ("pets", "train", "cat", "curated"),
    ("pets", "train", "dog", "pool"),
    ("pets", "test", "dog", "evaluation"),
    ("pets", "test", "ant", "evaluation"),
    ("pets", "train", None, "pool"),
]
ONE_CLASS = [("hats", "train", "hat", "curated"), ("hats", "test", "hat", "evaluation")]
NO_TEST = [("cups", "train", "cup", "curated"), ("cups", "train", "mug", "curated")]
NO_TRAIN = [("maps", "test", "old", "evaluation"), ("maps", "test", "new", "evaluation")]
BARE = [("soup", "train", None, "pool")]


def test_train_and_test_are_the_labelled_rows_of_any_role():
    found = labelled_sets(table(*GOOD, *BARE), ()).usable
    assert [each.name for each in found] == ["pets"]
    pets = found[0]
    assert pets.classes == ("cat", "dog", "ant")
    assert pets.trained == 2
    assert [row["key"] for row in pets.train] == ["pets/0", "pets/1"]
    assert pets.train_labels.tolist() == [0, 1]
    assert pets.test_labels.tolist() == [1, 2]
    assert pets.unseen().tolist() == [False, True]


def test_sets_that_cannot_be_evaluated_are_skipped_and_said():
    found = labelled_sets(table(*GOOD, *ONE_CLASS, *NO_TEST, *NO_TRAIN, *BARE), ())
    assert [each.name for each in found.usable] == ["pets"]
    assert set(found.skipped) == {"hats", "cups", "maps"}
    assert "one class" in found.skipped["hats"]
    assert "no labelled test image" in found.skipped["cups"]
    assert "no labelled training image" in found.skipped["maps"]


def test_no_labels_at_all_is_no_error():
    found = labelled_sets(table(*BARE), ())
    assert (found.usable, found.skipped) == ([], {})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("soup", "'soup' has no labelled image; labelled: hats, pets"),
        ("nets", "'nets' has no labelled image"),
        ("hats", "'hats' has one class only"),
    ],
)
def test_a_set_asked_for_by_name_must_be_usable(name, message):
    with pytest.raises(DataError, match=message):
        labelled_sets(table(*GOOD, *ONE_CLASS, *BARE), ("pets", name))

import pytest

from dinov2.errors import DataError
from dinov2.evaluation.sets import read_set
from dinov2.evaluation.sets.contents import contents
from dinov2.evaluation.sets.listing import files, table
from tests.evaluation.sets.making import image, text


def test_links_to_folders_are_followed_and_once(tmp_path):
    elsewhere, root = tmp_path / "disk", tmp_path / "set"
    image(elsewhere / "more" / "1.png")
    image(root / "a" / "0.png")
    (root / "a" / "linked").symlink_to(elsewhere)
    (root / "a" / "linked" / "back").symlink_to(root / "a")
    assert [path.relative_to(root).as_posix() for path in files(root)] == ["a/0.png", "a/linked/more/1.png"]
    assert set(contents(root, {}, 1)) == {"a/0.png", "a/linked/more/1.png"}  # what is judged is what is digested


def test_what_is_hidden_is_left_out(tmp_path):
    for name in ("0.png", ".1.png", ".trash/2.png"):
        image(tmp_path / name)
    assert files(tmp_path) == [tmp_path / "0.png"]


@pytest.mark.parametrize("layout", ["folders", None])
def test_a_folder_that_cannot_be_read_is_named_rather_than_taken_for_empty(tmp_path, monkeypatch, layout):
    for name in ("a", "b"):
        image(tmp_path / name / "0.png")

    def refused(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr("os.scandir", refused)
    with pytest.raises(DataError, match="Permission denied"):
        read_set(tmp_path, layout)


def test_a_table_that_is_none_is_named(tmp_path):
    path = text(tmp_path / "labels.csv", "file,label", "x" * 2**18 + ",cat")
    with pytest.raises(DataError, match=r"labels.csv: not a table: field larger than field limit"):
        list(table(path))


def test_a_class_on_a_disk_that_is_away_is_not_left_out(tmp_path):
    for name in ("a", "b"):
        image(tmp_path / name / "0.png")
    (tmp_path / "c").symlink_to("/disk/c")
    with pytest.raises(DataError, match=r"c: a link to /disk/c, which is not there"):
        read_set(tmp_path)

from pathlib import Path

import pytest

from dinov2.storage import atomic_path, digest, file_sha256, write_json


def interrupt(path: Path) -> None:
    with atomic_path(path) as draft:
        draft.write_text("half")
        raise RuntimeError


def test_a_file_that_was_being_written_is_not_there_after_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    with pytest.raises(RuntimeError):
        interrupt(path)
    assert list((tmp_path / "folder").iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError):
        interrupt(path)
    assert path.read_text() == "old"


def test_equal_content_gives_equal_bytes_in_any_order(tmp_path: Path) -> None:
    write_json(tmp_path / "one", {"b": 1, "a": {"d": "é", "c": 2.5}})
    write_json(tmp_path / "other", {"a": {"c": 2.5, "d": "é"}, "b": 1})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    assert digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1}) != digest({"a": 2, "b": 2})


def test_json_refuses_numbers_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "file", {"loss": float("nan")})
    assert not (tmp_path / "file").exists()


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert file_sha256(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

from collections.abc import Callable

import numpy as np

from tests.data.filters.conftest import encoded


def test_of_the_same_bytes_the_first_training_image_is_kept(
    take_in: Callable, photographs: dict[str, np.ndarray]
) -> None:
    one, two, three = (encoded(image) for image in photographs.values())
    pool = {"b.jpg": one, "a/z.jpg": one, "c.jpg": one, "d.jpg": two, "e.jpg": two + b"\0", "f.jpg": three}
    found = take_in(pool, {"kind": "exact"}, held={"x/1.jpg": three, "y/2.jpg": three, "y/3.jpg": one})
    assert found.rejects == {
        "web/b.jpg": ("exact", "the same bytes as web/a/z.jpg"),
        "web/c.jpg": ("exact", "the same bytes as web/a/z.jpg"),
    }
    assert found.filters == {"exact": {"rejected": 2}}
    assert len(found.rows) == 7, "images to evaluate on, and the one like them, stay"


def test_a_curated_image_is_kept_before_the_same_bytes_of_the_pool(
    take_in: Callable, photographs: dict[str, np.ndarray]
) -> None:
    one = encoded(photographs["coffee"])
    found = take_in({"a.jpg": one}, {"kind": "exact"}, curated={"b.jpg": one, "c.jpg": one})
    said = ("exact", "the same bytes as xyz/b.jpg")
    assert found.rejects == {"web/a.jpg": said, "xyz/c.jpg": said}


def test_an_exchanged_rule_reads_no_file_again(take_in: Callable, photographs: dict, monkeypatch) -> None:
    from dinov2.data.folder import FolderSource

    files = {"a.jpg": encoded(photographs["coffee"]), "b.jpg": encoded(photographs["coffee"])}
    assert len(take_in(files).rows) == 2
    monkeypatch.setattr(FolderSource, "read", None)
    monkeypatch.setattr("pathlib.Path.write_bytes", lambda *_: None)
    assert len(take_in(files, {"kind": "exact"}).rows) == 1

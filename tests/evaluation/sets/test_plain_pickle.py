import pickle

import numpy as np
import pytest

from dinov2.errors import DataError
from dinov2.evaluation.sets.retrieval.plain_pickle import load_plain


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_lists_texts_numbers_and_arrays_come_back(tmp_path, protocol):
    content = {
        "names": ["a", "b"],
        "matrix": np.arange(6.0).reshape(2, 3),
        "across": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "scalar": np.float64(2.5),
        "big_endian": np.array([1, 258], dtype=">i4"),
        "nested": [{"bbx": [1, 2.5]}, (None, True)],
    }
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    found = load_plain(path)
    for name in ("matrix", "across", "big_endian"):
        np.testing.assert_array_equal(found[name], content[name])
    assert found["scalar"] == 2.5
    assert (found["names"], found["nested"]) == (content["names"], content["nested"])


def test_what_python_2_wrote_is_read(tmp_path):
    path = tmp_path / "x.pkl"
    data = np.array([1, 300], dtype="<i8").tobytes().decode("latin1")
    path.write_bytes(pickle.dumps({"raw": data}, protocol=2).replace(b"raw", b"RAW"))
    assert load_plain(path)["RAW"] == data


class Harm:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (open, (self.target, "w"))


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_nothing_that_a_pickle_asks_for_is_run(tmp_path, protocol):
    trace = tmp_path / "trace"
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps({"imlist": [Harm(str(trace))]}, protocol=protocol))
    with pytest.raises(DataError, match=r"x.pkl: holds more than lists.*asks for .*open"):
        load_plain(path)
    assert not trace.exists()


@pytest.mark.parametrize(
    "content", [np.array([object()], dtype=object), np.zeros(2, dtype="i4,f4"), range(3), np.array(["a"]), 1j]
)
def test_anything_but_plain_numbers_is_refused(tmp_path, content):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps([content]))
    with pytest.raises(DataError, match=r"x.pkl: holds more"):
        load_plain(path)


def test_an_array_that_claims_another_size_is_refused(tmp_path):
    path = tmp_path / "x.pkl"
    whole = pickle.dumps(np.zeros((3, 1), dtype=np.int64), protocol=3)
    path.write_bytes(whole.replace(b"K\x03K\x01\x86", b"J\xff\xff\xff\x7fK\x01\x86"))
    assert path.read_bytes() != whole
    with pytest.raises(DataError, match="whose bytes are not of its shape"):
        load_plain(path)


def test_damage_is_one_clear_error(tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps({"a": list(range(1000))})[:-40])
    with pytest.raises(DataError, match=r"x.pkl: holds more than lists and numbers, or is damaged"):
        load_plain(path)
    with pytest.raises(DataError, match="no such file"):
        load_plain(tmp_path / "y.pkl")

"""Lists, numbers, texts and arrays out of a pickle, without running anything that it asks for.

The ground truth of Oxford and Paris revisited is published as pickles alone, and whoever evaluates has only those: to
have them turned into JSON would mean that each user runs the pickle by hand, unguarded. So it is read here by an
unpickler to which no name means what it says: the few that NumPy's arrays need are answered by functions of this file
that make arrays of plain numbers, and every other name is refused before anything is called.
"""

import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dinov2.errors import DataError

LARGEST = 256 * 2**20
"""Bytes of a file; the published ones have less than one MB."""
KINDS = "?bhilqBHILQefd"
"""Codes of the plain numbers: `i8`, `f4` and so on are all of these kinds."""


class _Dtype:
    """What a pickled dtype says, looked at and not believed before it is a plain number's."""

    def __init__(self, name: Any, *_: Any) -> None:
        self.found = np.dtype(str(name)) if isinstance(name, str) else None

    def __setstate__(self, state: Any) -> None:
        if self.found is not None and isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">"):
            self.found = self.found.newbyteorder(state[1])

    def plain(self) -> np.dtype:
        if self.found is None or self.found.char not in KINDS:
            raise pickle.UnpicklingError("an array of something else than numbers")
        return self.found


class _Array:
    """What a pickled array says; `value` is it, once all has been said."""

    value: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        kind = dtype.plain()
        data = _bytes(data)
        if not isinstance(data, bytes) or len(data) != math.prod(shape) * kind.itemsize:
            raise pickle.UnpicklingError("an array whose bytes are not of its shape")
        self.value = np.frombuffer(data, kind).reshape(shape, order="F" if fortran else "C")


def _bytes(data: Any) -> Any:
    """Python 2 wrote bytes as text."""
    return data.encode("latin1") if isinstance(data, str) else data


def _encode(text: Any = "", encoding: Any = "latin1") -> bytes:
    """How Python 3 writes bytes for Python 2."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError("bytes of another kind than numbers are written in")
    return text.encode("latin1")


def _array(*_: Any) -> _Array:
    return _Array()


def _scalar(dtype: Any, data: Any) -> Any:
    return np.frombuffer(_bytes(data), dtype.plain(), count=1)[0].item()


class _Type:
    """Stands for numpy.ndarray, which pickles only mention."""


ANSWERS: dict[tuple[str, str], Any] = {("numpy", "ndarray"): _Type, ("numpy", "dtype"): _Dtype}
ANSWERS |= {("_codecs", "encode"): _encode, ("__builtin__", "bytes"): _encode}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    ANSWERS |= {(_module, "_reconstruct"): _array, (_module, "scalar"): _scalar}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        if (module, name) not in ANSWERS:
            raise pickle.UnpicklingError(f"asks for {module}.{name}")
        return ANSWERS[module, name]


def load_plain(path: Path) -> Any:
    """What a pickle holds: dictionaries, lists, tuples, sets, texts, numbers, and arrays of numbers.

    Raises:
        DataError: the file is missing, too large or damaged, or holds anything else; nothing in it was run.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if path.stat().st_size > LARGEST:
        raise DataError(f"{path}: {path.stat().st_size} bytes; at most {LARGEST} are read")
    try:
        with path.open("rb") as file:
            return _opened(_Unpickler(file, encoding="latin1").load())
    # A damaged pickle makes its machine raise errors of many kinds.
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        message = "holds more than lists and numbers, or is damaged; nothing in it was run"
        raise DataError(f"{path}: {message}: {reason}") from None


def _opened(found: Any) -> Any:
    """The same with arrays in place of what stood for them."""
    if isinstance(found, _Array):
        return np.zeros(0) if found.value is None else found.value
    if isinstance(found, dict):
        return {_opened(name): _opened(value) for name, value in found.items()}
    if isinstance(found, list | tuple | set):
        return type(found)(_opened(value) for value in found)
    if isinstance(found, str | bytes | int | float | None):
        return found
    raise pickle.UnpicklingError(f"a {type(found).__name__}")

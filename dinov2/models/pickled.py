"""Official weights in files of `torch.save`, read without running what a pickle may hold."""

from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal
from zipfile import is_zipfile

import torch
from torch import Tensor

from dinov2.errors import DataError
from dinov2.models.official import own_names

Which = Literal["teacher", "student"]
PARTS = ("backbone", "dino_head", "ibot_head")
SUFFIXES = {".pth", ".pt"}
WRAPPERS = {"module", "_fsdp_wrapped_module"}


def is_pickled(path: Path) -> bool:
    """Whether `path` names a file of `torch.save`."""
    return path.suffix in SUFFIXES


def load_pickled(path: Path, which: Which = "teacher") -> dict[str, Tensor]:
    """The tensors of an official file, on the CPU, in the type they were saved in.

    Args:
        path: the state dict of a backbone, or a training checkpoint {"teacher": state dict of backbone and heads}.
        which: network wanted of a checkpoint that has both; one that has only a teacher gives that.

    Returns:
        Named "backbone.*", and "dino_head.*" and "ibot_head.*" where the file has them. They are mapped from the file,
        which must stay while they are in use.

    Raises:
        DataError: the file is missing, damaged, or holds anything else.
    """
    content = _unpickle(path)
    if isinstance(content, dict):
        content = content.get(which, content.get("teacher", content))
    if not isinstance(content, dict):
        raise DataError(f"{path}: holds a {type(content).__name__}, not tensors by name")
    for name, value in content.items():
        if not (isinstance(name, str) and isinstance(value, Tensor) and value.is_floating_point()):
            raise DataError(f"{path}: {name!r} is no name of a tensor of floating-point numbers")
    names = {name: ".".join(part for part in name.split(".") if part not in WRAPPERS) for name in content}
    if len(set(names.values())) < len(names):
        raise DataError(f"{path}: several tensors have one name once {' and '.join(sorted(WRAPPERS))} are removed")
    prefix = "" if any(name.startswith("backbone.") for name in names.values()) else "backbone."
    tensors = own_names({prefix + names[name]: tensor for name, tensor in content.items()})
    check_parts(path, tensors)
    return tensors


def check_parts(path: Path, tensors: dict[str, Tensor]) -> None:
    """Refuse names that belong to neither a backbone nor a head.

    Raises:
        DataError: names up to three of them.
    """
    others = sorted(name for name in tensors if name.split(".")[0] not in PARTS)
    if others:
        raise DataError(f"{path}: unexpected {', '.join(others[:3])}; allowed: names in {', '.join(PARTS)}")


def _unpickle(path: Path) -> Any:
    if not path.is_file():
        raise DataError(f"{path}: no such weights file")
    if not is_zipfile(path):
        raise DataError(f"{path}: not a whole file of torch.save: it was cut short, or is of another kind")
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except UnpicklingError:
        # torch's own message advises to run the code in the file.
        raise DataError(f"{path}: holds more than tensors, or is damaged; nothing in it was run") from None
    # A damaged archive makes torch raise errors of many kinds.
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise DataError(f"{path}: not a whole file of torch.save: {reason}") from error

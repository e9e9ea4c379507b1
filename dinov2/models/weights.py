"""Backbones in safetensors files that say which architecture they are."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from dinov2.errors import DataError
from dinov2.models.official import differences, infer_architecture, under
from dinov2.models.pickled import is_pickled, load_pickled
from dinov2.models.vit import VisionTransformer
from dinov2.storage import atomic_path

ARCHITECTURE, METADATA = "architecture", "dinov2"


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file, whole or not at all; equal tensors and metadata give equal bytes.

    Names that share their memory, such as those of a head used twice, are written out each.
    """
    contiguous: dict[str, Tensor] = {}
    written: set[int] = set()
    for name, tensor in sorted(tensors.items()):
        own = tensor.detach().cpu().contiguous()
        contiguous[name] = own.clone() if own.data_ptr() in written else own
        written.add(own.data_ptr())
    with atomic_path(path) as draft:
        # One key, since safetensors writes several in an order that changes from call to call.
        save_file(contiguous, draft, metadata={METADATA: json.dumps(metadata, sort_keys=True)})


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors of a safetensors file and its metadata.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get(METADATA, "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118
    except FileNotFoundError:
        raise DataError(f"{path}: no such weights file") from None
    except SafetensorError as error:
        raise DataError(f"{path}: not a whole safetensors file: {error}") from None


def save_backbone(path: Path, model: VisionTransformer) -> None:
    """Write a backbone's weights and its architecture to one safetensors file."""
    architecture = json.dumps(model.architecture(), sort_keys=True)
    save_tensors(path, model.state_dict(), {ARCHITECTURE: architecture})


def load_backbone(path: Path) -> VisionTransformer:
    """The backbone that `save_backbone` wrote, or one of the official release: in fp32, on the CPU, for evaluation.

    Args:
        path: a .safetensors written here, or an official .pth or .pt, whose tensors tell the architecture.

    Raises:
        DataError: the file is missing or damaged, does not tell its architecture, or its weights do not fit it.
    """
    tensors, architecture = _official_backbone(path) if is_pickled(path) else _own_backbone(path)
    model = VisionTransformer(**architecture)
    check_fit(model, tensors, str(path))
    model.load_state_dict(tensors)
    return model.eval()


def _own_backbone(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors, metadata = load_tensors(path)
    if ARCHITECTURE not in metadata:
        raise DataError(f"{path}: its metadata has no {ARCHITECTURE!r}; it is not a backbone written here")
    return tensors, json.loads(metadata[ARCHITECTURE])


def _official_backbone(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors = under(load_pickled(path), "backbone.")
    try:
        return tensors, infer_architecture(tensors)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None


def check_fit(model: nn.Module, tensors: dict[str, Tensor], origin: str) -> None:
    """Compare names and shapes with those of a backbone or a head.

    Raises:
        DataError: says in words which sizes differ, then what is missing, what is too much and which shapes differ.
    """
    own = model.state_dict()
    wanted = {name: tuple(tensor.shape) for name, tensor in own.items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    faults = differences(tensors, own)
    faults += [f"missing {name}" for name in sorted(wanted.keys() - found.keys())]
    faults += [f"unexpected {name}" for name in sorted(found.keys() - wanted.keys())]
    common = sorted(wanted.keys() & found.keys())
    faults += [f"{name} is {found[name]}, not {wanted[name]}" for name in common if found[name] != wanted[name]]
    if faults:
        more = f" and {len(faults) - 6} more" if len(faults) > 6 else ""
        raise DataError(f"{origin}: weights do not fit the architecture: {'; '.join(faults[:6])}{more}")

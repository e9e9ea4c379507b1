"""Backbones in safetensors files that say which architecture they are."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from dinov2.errors import DataError
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
    """The backbone that `save_backbone` wrote: in fp32, on the CPU, in evaluation mode.

    Raises:
        DataError: the file is missing or damaged, does not name its architecture, or its weights do not fit it.
    """
    tensors, metadata = load_tensors(path)
    if ARCHITECTURE not in metadata:
        raise DataError(f"{path}: its metadata has no {ARCHITECTURE!r}; it is not a backbone written here")
    model = VisionTransformer(**json.loads(metadata[ARCHITECTURE]))
    check_fit(model, tensors, str(path))
    model.load_state_dict(tensors)
    return model.eval()


def check_fit(model: VisionTransformer, tensors: dict[str, Tensor], origin: str) -> None:
    """Compare names and shapes.

    Raises:
        DataError: says what is missing, what is too much and which shapes differ.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    faults = [f"missing {name}" for name in sorted(wanted.keys() - found.keys())]
    faults += [f"unexpected {name}" for name in sorted(found.keys() - wanted.keys())]
    common = sorted(wanted.keys() & found.keys())
    faults += [f"{name} is {found[name]}, not {wanted[name]}" for name in common if found[name] != wanted[name]]
    if faults:
        more = f" and {len(faults) - 6} more" if len(faults) > 6 else ""
        raise DataError(f"{origin}: weights do not fit the architecture: {'; '.join(faults[:6])}{more}")

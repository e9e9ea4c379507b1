"""Networks in files of any kind: a backbone or a training file written here, or an official one."""

from pathlib import Path

from torch import Tensor

from dinov2.errors import DataError
from dinov2.models.official import under
from dinov2.models.pickled import Which, check_parts, is_pickled, load_pickled
from dinov2.models.weights import ARCHITECTURE, load_tensors


def read_networks(path: Path, which: Which = "teacher") -> dict[str, Tensor]:
    """The tensors of one network, on the CPU, in the type they were saved in.

    Args:
        path: a backbone.safetensors or a training.safetensors written here, or an official .pth or .pt.
        which: network wanted of a training file that has both; a file with one network gives that.

    Returns:
        Named "backbone.*", and "dino_head.*" and "ibot_head.*" where the file has them.

    Raises:
        DataError: the file is missing, damaged or of another kind, or has tensors that belong to no network.
    """
    if is_pickled(path):
        return load_pickled(path, which)
    tensors, metadata = load_tensors(path)
    if ARCHITECTURE in metadata:
        return {f"backbone.{name}": tensor for name, tensor in tensors.items()}
    own = under(tensors, f"{which}.")
    if not own:
        raise DataError(f"{path}: no tensors named {which}.*, no {ARCHITECTURE!r} in its metadata: not written here")
    check_parts(path, own)
    return own

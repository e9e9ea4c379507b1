"""Vision transformers of Hugging Face's transformers, where that library is installed."""

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dinov2.data.images import IMAGENET_MEAN, IMAGENET_STD
from dinov2.errors import ConfigError, DataError
from dinov2.evaluation.backbones.backbone import Layer, first_line, grid, open_eyes, scaled, values_digest, wanted

SIZES = ("patch_size", "hidden_size", "num_hidden_layers")
RESIZES = "interpolate_pos_encoding"


class HuggingFaceBackbone:
    """A model of transformers whose tokens are a cls, perhaps registers, and patches; see `Backbone`.

    Tokens are taken as they leave the blocks: what `hidden_states` means for the last one differs between versions.
    """

    def __init__(
        self, name: str, model: nn.Module, mean: Sequence[float], std: Sequence[float], device: torch.device
    ) -> None:
        config: Any = model.config
        norm = getattr(model, "layernorm", None) or getattr(model, "norm", None)
        blocks = [m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == config.num_hidden_layers]
        if norm is None or not blocks:
            raise ConfigError(f"model hf:{name}: a {type(model).__name__}, which has no blocks and last norm of a ViT")
        self._model, self._norm, self._blocks = model.to(device).eval(), norm, blocks[0]
        self._mean, self._std, self._device = mean, std, device
        self._first = 1 + (getattr(config, "num_register_tokens", 0) or 0)
        resizes = RESIZES in inspect.signature(model.forward).parameters
        self._asked = {RESIZES: True} if resizes else {}
        self.patch_size, self.embed_dim, self.depth = (int(getattr(config, size)) for size in SIZES)
        self.digest = values_digest(model, "hf", type(model).__name__, config.to_json_string(), [*mean], [*std])

    @torch.inference_mode()
    def layers(self, images: np.ndarray, blocks: int | Sequence[int]) -> list[Layer]:
        """See `Backbone.layers`."""
        size, numbers = grid(images, self.patch_size), wanted(blocks, self.depth)
        left: dict[int, Tensor] = {}
        hooks = [self._blocks[number].register_forward_hook(_keep(left, number)) for number in numbers]
        try:
            self._model(pixel_values=scaled(images, self._mean, self._std, self._device), **self._asked)
        finally:
            for hook in hooks:
                hook.remove()
        tokens = [self._norm(left[number]) for number in numbers]
        return [Layer(x_bnd[:, 0], x_bnd[:, self._first :].unflatten(1, size)) for x_bnd in tokens]

    def twin(self, seed: int) -> "HuggingFaceBackbone":
        """See `Backbone.twin`."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = open_eyes(type(self._model)(self._model.config))
        return HuggingFaceBackbone("random", model, self._mean, self._std, self._device)


def _keep(left: dict[int, Tensor], number: int) -> Any:
    def hook(_: nn.Module, __: Any, out: Any) -> None:
        left[number] = out if isinstance(out, Tensor) else out[0]

    return hook


def open_hugging_face(name: str, _: int, device: torch.device) -> HuggingFaceBackbone:
    """A name on the hub, or a folder that `save_pretrained` wrote. Code and pickles that come with a model are not run.

    Raises:
        ConfigError: transformers is not installed, or the model is no vision transformer.
        DataError: it cannot be fetched or read.
    """
    try:
        import transformers
    except ImportError as error:
        raise ConfigError(f"model hf:{name} needs the library transformers: {error}") from None
    try:
        model = transformers.AutoModel.from_pretrained(
            name, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
        )
    except (OSError, ValueError) as error:
        raise DataError(f"model hf:{name}: {first_line(error)}") from None
    if missing := [size for size in SIZES if not isinstance(getattr(model.config, size, None), int)]:
        raise ConfigError(f"model hf:{name}: a {type(model).__name__}, whose config has no {', '.join(missing)}")
    return HuggingFaceBackbone(name, model, *_constants(transformers, name), device)


def _constants(transformers: Any, name: str) -> tuple[Sequence[float], Sequence[float]]:
    """Mean and deviation of the pixels that the model was trained with; ImageNet's where it does not say."""
    try:
        told, _ = transformers.ImageProcessingMixin.get_image_processor_dict(name)
    except OSError:
        return IMAGENET_MEAN, IMAGENET_STD
    return told.get("image_mean") or IMAGENET_MEAN, told.get("image_std") or IMAGENET_STD

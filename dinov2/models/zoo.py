"""The named architectures."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from dinov2.config import Config
from dinov2.errors import ConfigError
from dinov2.models.vit import VisionTransformer

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "vit_tiny": {"embed_dim": 192, "depth": 12, "num_heads": 3},
    "vit_small": {"embed_dim": 384, "depth": 12, "num_heads": 6},
    "vit_base": {"embed_dim": 768, "depth": 12, "num_heads": 12},
    "vit_large": {"embed_dim": 1024, "depth": 24, "num_heads": 16},
    "vit_giant2": {"embed_dim": 1536, "depth": 40, "num_heads": 24, "ffn": "swiglu"},
}


def create_model(name: str, **overrides: Any) -> VisionTransformer:
    """Build a network by name, randomly initialised.

    Args:
        name: one of `ARCHITECTURES`.
        overrides: arguments of `VisionTransformer` that replace the architecture's.

    Raises:
        ConfigError: unknown name or impossible sizes.
    """
    if name not in ARCHITECTURES:
        raise ConfigError(f"architecture {name!r}; allowed: {', '.join(sorted(ARCHITECTURES))}")
    return VisionTransformer(**(ARCHITECTURES[name] | overrides))


class ModelConfig(Config):
    """An architecture by name; `embed_dim`, `depth`, `num_heads` and `ffn` replace the named one's where given."""

    arch: str
    patch_size: PositiveInt = 14
    registers: Annotated[int, Field(ge=0)] = 0
    drop_path: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    layerscale: PositiveFloat = 1e-5
    embed_dim: PositiveInt | None = None
    depth: PositiveInt | None = None
    num_heads: PositiveInt | None = None
    ffn: Literal["mlp", "swiglu"] | None = None

    @model_validator(mode="after")
    def _buildable(self) -> Self:
        if self.arch not in ARCHITECTURES:
            raise ValueError(f"arch {self.arch!r}; allowed: {', '.join(sorted(ARCHITECTURES))}")
        sizes = ARCHITECTURES[self.arch] | self._replaced()
        if sizes["embed_dim"] % sizes["num_heads"]:
            raise ValueError(f"embed_dim {sizes['embed_dim']} is not a multiple of num_heads {sizes['num_heads']}")
        return self

    def build(self, img_size: int) -> VisionTransformer:
        """The network, randomly initialised, with position embeddings for images of `img_size` pixels."""
        return create_model(
            self.arch,
            img_size=img_size,
            patch_size=self.patch_size,
            num_registers=self.registers,
            interpolate_antialias=self.registers > 0,
            interpolate_offset=0.0 if self.registers else 0.1,
            drop_path=self.drop_path,
            layerscale=self.layerscale,
            **self._replaced(),
        )

    def _replaced(self) -> dict[str, Any]:
        names = ("embed_dim", "depth", "num_heads", "ffn")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

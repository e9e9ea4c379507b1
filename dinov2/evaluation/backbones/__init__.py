"""What `--model X` may be: anything that turns images into tokens, frozen."""

from dinov2.evaluation.backbones.backbone import Backbone, Layer, spread
from dinov2.evaluation.backbones.open import OPENERS, open_backbone
from dinov2.evaluation.backbones.own import OwnBackbone, random_twin
from dinov2.evaluation.backbones.pixels import ImagePixels, PixelBackbone

__all__ = [
    "OPENERS", "Backbone", "ImagePixels", "Layer", "OwnBackbone", "PixelBackbone", "open_backbone", "random_twin",
    "spread",
]  # fmt: skip

"""Networks: the vision transformer, its heads, the named architectures, weights in and out."""

from dinov2.models.head import DINOHead
from dinov2.models.vit import Features, VisionTransformer
from dinov2.models.weights import load_backbone, save_backbone
from dinov2.models.zoo import ARCHITECTURES, ModelConfig, create_model

__all__ = [
    "ARCHITECTURES",
    "DINOHead",
    "Features",
    "ModelConfig",
    "VisionTransformer",
    "create_model",
    "load_backbone",
    "save_backbone",
]

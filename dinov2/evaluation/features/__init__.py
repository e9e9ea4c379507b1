"""Features of images and of patches: computed once, kept in the store, read back in bounded memory."""

from dinov2.evaluation.features.dense import SomeLayers, StoredDense
from dinov2.evaluation.features.extractor import Extractor
from dinov2.evaluation.features.image import ImageFeatures
from dinov2.evaluation.features.items import ClipFrames, FolderImage, Item, ManifestImage, folder_images
from dinov2.evaluation.features.request import Request, last_blocks, parts_of
from dinov2.evaluation.features.views import Square, View, Whole

__all__ = [
    "ClipFrames", "Extractor", "FolderImage", "ImageFeatures", "Item", "ManifestImage", "Request", "SomeLayers",
    "Square", "StoredDense", "View", "Whole", "folder_images", "last_blocks", "parts_of",
]  # fmt: skip

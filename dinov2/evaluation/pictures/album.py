"""The pictures that need nothing but photographs."""

from collections.abc import Mapping, Sequence

import numpy as np

from dinov2.evaluation.backbones import Backbone
from dinov2.evaluation.backbones.own import OwnBackbone
from dinov2.evaluation.pictures.attention import attention_picture
from dinov2.evaluation.pictures.correspondence import correspondence_picture
from dinov2.evaluation.pictures.norms import norm_picture
from dinov2.evaluation.pictures.pca import pca_picture
from dinov2.evaluation.pictures.picture import Picture, beside
from dinov2.evaluation.pictures.tokens import last_block, patch_features


def album(
    backbones: Mapping[str, Backbone], images: np.ndarray, pairs: Sequence[tuple[int, int]] = ((0, 1), (2, 3))
) -> list[Picture]:
    """Patch features, correspondences, attention and norms of one or several models beside each other.

    Attention and norms are those of models of this project; others do not show them.

    Args:
        backbones: by the name that captions give them.
        images: (N, S, S, 3) uint8; 4 are legible on a phone.
        pairs: of images that correspondences are looked for in.
    """
    patches = {name: patch_features(backbone, images, name) for name, backbone in backbones.items()}
    pictures = [
        beside({name: pca_picture(images, each) for name, each in patches.items()}),
        beside({name: correspondence_picture(images, each, pairs) for name, each in patches.items()}),
    ]
    own = {name: each for name, each in backbones.items() if isinstance(each, OwnBackbone)}
    if not own:
        return pictures
    last = {name: last_block(each.model, images, each.device, name) for name, each in own.items()}
    attention = {name: attention_picture(images, each.attention) for name, each in last.items()}
    norms = {name: norm_picture(images, each.norms) for name, each in last.items()}
    return [*pictures, beside(attention), beside(norms)]

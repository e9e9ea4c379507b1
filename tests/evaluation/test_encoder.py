import pytest
import torch

from dinov2.errors import ConfigError
from dinov2.evaluation.encoder import BackboneEncoder, weights_digest
from dinov2.models import create_model

CPU = torch.device("cpu")


def test_digest_names_values_and_architecture(backbone):
    changed = create_model("vit_tiny", img_size=32, patch_size=8, depth=2, layerscale=1.0)
    changed.load_state_dict(backbone.state_dict())
    assert weights_digest(changed) == weights_digest(backbone)
    changed.interpolate_offset = 0.0
    assert weights_digest(changed) != weights_digest(backbone)
    changed.interpolate_offset = backbone.interpolate_offset
    changed.norm.bias.data[3] += 1e-6
    assert weights_digest(changed) != weights_digest(backbone)


def test_a_resolution_that_patches_do_not_tile_is_refused(backbone):
    with pytest.raises(ConfigError, match=r"evaluate.resolution: 36 is not a multiple of the patch, 8; near: 32, 40"):
        BackboneEncoder(backbone, 36, CPU)

import numpy as np
import torch

from dinov2.evaluation.backbones import open_backbone
from dinov2.evaluation.backbones.own import OwnBackbone
from dinov2.evaluation.pictures.album import album

CPU = torch.device("cpu")


def test_every_picture_is_made_and_what_only_own_models_show_of_them_alone(backbone):
    images = np.random.default_rng(0).integers(0, 256, (4, 48, 48, 3), dtype=np.uint8)
    found = album({"S": OwnBackbone(backbone, CPU), "pixels": open_backbone("pixels:8", 0, CPU)}, images)
    rows = {picture.name: list(picture.rows) for picture in found}
    assert list(rows) == ["pca", "correspondence", "attention", "norms"]
    assert rows["pca"] == ["photographs", "features: S", "features: pixels"]
    assert rows["norms"] == ["photographs", "norms"]
    assert rows["attention"] == ["photographs", "mean over heads", "head 1 of 3", "head 2 of 3", "head 3 of 3"]
    alone = album({"pixels": open_backbone("pixels:8", 0, CPU)}, images)
    assert [picture.name for picture in alone] == ["pca", "correspondence"]

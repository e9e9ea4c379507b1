import pytest
import torch

from dinov2.evaluation.backbones import OwnBackbone, PixelBackbone
from dinov2.evaluation.published import FIGURES, NAMES, architecture, published
from dinov2.models import ARCHITECTURES, create_model

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["imagenet", "ImageNet-1k", "ILSVRC2012"])
def test_a_set_is_known_by_its_usual_names(name):
    assert published(name, "vit_small", "knn", "accuracy") == 0.79
    assert published(name, "vit_giant2", "linear", "accuracy") == 0.865


def test_other_sets_architectures_protocols_and_metrics_have_none():
    assert published("clothing10", "vit_small", "knn", "accuracy") is None
    assert published("imagenet", "vit_tiny", "knn", "accuracy") is None
    assert published("imagenet", None, "knn", "accuracy") is None
    assert published("imagenet", "vit_small", "logistic", "accuracy") is None
    assert published("imagenet", "vit_small", "knn", "class_accuracy") is None


@pytest.mark.parametrize(
    ("metric", "figure"),
    [("accuracy_imagenet-a", 0.759), ("accuracy_ImageNet-R", 0.788), ("accuracy_imagenet-sketch", 0.625),
     ("accuracy_sketch", 0.625), ("mce", 0.282), ("accuracy_fog", None)],
)  # fmt: skip
def test_robustness_is_found_by_the_name_of_the_test(metric, figure):
    assert published("imagenet", "vit_giant2", "robustness", metric) == figure


def test_every_figure_is_of_a_set_and_an_architecture_that_can_be_found():
    assert {of for of, *_ in FIGURES} <= set(NAMES.values())
    assert {arch for _, arch, *_ in FIGURES} <= set(ARCHITECTURES)


def test_an_architecture_is_told_by_sizes():
    small = OwnBackbone(create_model("vit_small", img_size=28, patch_size=14), CPU)
    assert architecture(small) == "vit_small"
    assert architecture(OwnBackbone(create_model("vit_small", img_size=32, patch_size=16), CPU)) is None
    assert architecture(PixelBackbone(14, CPU)) is None

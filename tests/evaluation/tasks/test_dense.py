"""Segmentation and depth: pixels of two kinds, near and far, that colour alone tells apart."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from dinov2.errors import DataError
from dinov2.evaluation.backbones import OwnBackbone, PixelBackbone
from dinov2.evaluation.features import Whole
from dinov2.evaluation.sets.segmentation.masks import numbered
from dinov2.evaluation.sets.task import Dense, Depth, Image, Pair
from dinov2.evaluation.statistics import value_of
from dinov2.evaluation.tasks.depth import ALL, DEPTH
from dinov2.evaluation.tasks.segmentation import LINEAR, MS, SEGMENTATION
from dinov2.models import create_model

CPU = torch.device("cpu")
NEAR, FAR = 1000, 4000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """8 images of a bright square on a dark ground, with masks, and maps in which it is near."""
    root = tmp_path_factory.mktemp("dense")
    generator = np.random.default_rng(0)
    for number in range(8):
        top, left = generator.integers(0, 4, 2) * 8
        square = np.zeros((48, 64), bool)
        square[top : top + 24, left : left + 32] = True
        image = np.where(square, 200, 50)[..., None] + generator.normal(0, 10, (48, 64, 3))
        cv2.imwrite(str(root / f"{number}.png"), np.clip(image, 0, 255).astype(np.uint8))
        cv2.imwrite(str(root / f"{number}.mask.png"), square.astype(np.uint8))
        cv2.imwrite(str(root / f"{number}.depth.png"), np.where(square, NEAR, FAR).astype(np.uint16))
    return root


def pairs(folder, what, numbers):
    return tuple(Pair(Image(f"{n}.png", folder), folder / f"{n}.{what}.png") for n in numbers)


@pytest.fixture
def masks(folder):
    train, test = pairs(folder, "mask", range(6)), pairs(folder, "mask", (6, 7))
    return Dense("squares", ("ground", "square"), numbered({0: 0, 1: 1}), train, test, "given")


@pytest.fixture
def maps(folder):
    train, test = pairs(folder, "depth", range(6)), pairs(folder, "depth", (6, 7))
    return Depth("squares", 0.001, 0.5, 5.0, (0.0, 1.0, 0.0, 1.0), train, test, 0, "given")


def test_segmentation_divides_what_colour_divides(masks, setting):
    found = SEGMENTATION.measure(masks, PixelBackbone(8, CPU), (LINEAR, MS), setting)
    for name, views in ((LINEAR, 1), (MS, 4)):
        assert value_of(found[name].statistics["miou"]) > 0.8
        assert found[name].statistics["miou"].count == 2
        assert found[name].details["views"] == views
    assert set(setting.clock.seconds) == {"features", LINEAR, MS}


def test_ms_reads_more_layers_at_more_sizes_and_mirrored(masks, own, setting):
    linear, ms = (SEGMENTATION.requests(masks, own, (name,), setting.config) for name in (LINEAR, MS))
    assert {each.blocks for each in linear.values()} == {(1,)}
    assert {each.blocks for each in ms.values()} == {(0, 1)}
    seen = {(each.view.side, each.view.flipped) for name, each in ms.items() if "test" in name}
    assert seen == {(40, False), (40, True), (60, False), (60, True)}
    assert all(isinstance(each.view, Whole) and each.dense for each in (*linear.values(), *ms.values()))


def test_watchers_see_every_prediction(masks, setting):
    seen = []
    setting = type(setting)(
        setting.config,
        setting.extractor,
        0,
        CPU,
        watchers={LINEAR: lambda number, found: seen.append((number, found.shape))},
    )
    SEGMENTATION.measure(masks, PixelBackbone(8, CPU), (LINEAR,), setting)
    assert seen == [(0, (48, 64)), (1, (48, 64))]


def test_depth_tells_near_from_far_by_all_heads(maps, setting):
    torch.manual_seed(0)
    deep = OwnBackbone(create_model("vit_tiny", img_size=32, patch_size=8, depth=4, layerscale=1.0), CPU)
    found = DEPTH.measure(maps, deep, ALL, setting)
    truth = np.stack([cv2.imread(str(pair.truth), cv2.IMREAD_UNCHANGED) for pair in maps.test]) / 1000
    constant = np.sqrt(((truth - truth.mean()) ** 2).mean())
    for name in ALL:
        assert value_of(found[name].statistics["rmse"]) < constant
        assert found[name].statistics["rmse"].count == 2
        assert found[name].details["views"] == 2
    assert set(setting.clock.seconds) == {"features", *ALL}


def test_depth_is_the_mean_of_an_image_and_its_mirror_image(maps, own, setting):
    seen = {}
    for mirrored in (True, False):
        own_config = setting.config.depth.model_copy(update={"mirrored": mirrored})
        config = setting.config.model_copy(update={"depth": own_config})
        watchers = {"depth": seen.setdefault(mirrored, {}).__setitem__}
        DEPTH.measure(maps, own, ("depth",), replace(setting, config=config, watchers=watchers))
    turned = []
    for pair in maps.test:  # the same images mirrored on disk, their maps too
        image, truth = (cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in (pair.image.path, pair.truth))
        name = f"turned.{pair.image.key}"
        cv2.imwrite(str(pair.image.folder / name), image[:, ::-1])
        cv2.imwrite(str(pair.truth.with_name(f"turned.{pair.truth.name}")), truth[:, ::-1])
        turned.append(Pair(Image(name, pair.image.folder), pair.truth.with_name(f"turned.{pair.truth.name}")))
    alone = {}
    DEPTH.measure(
        replace(maps, test=tuple(turned)), own, ("depth",),
        replace(setting, config=config, watchers={"depth": alone.__setitem__}),
    )  # fmt: skip
    for number in range(2):
        expected = (seen[False][number] + alone[number][:, ::-1]) / 2
        np.testing.assert_allclose(seen[True][number], expected, rtol=1e-3)
        assert np.abs(seen[True][number] - seen[False][number]).max() > 0.01


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_every_head_of_depth_reads_a_backbone_of_few_blocks(maps, depth, setting):
    torch.manual_seed(0)
    shallow = OwnBackbone(create_model("vit_tiny", img_size=32, patch_size=8, depth=depth, layerscale=1.0), CPU)
    brief = setting.config.depth.model_copy(update={"iterations": 2})
    setting = replace(setting, config=setting.config.model_copy(update={"depth": brief}))
    found = DEPTH.measure(maps, shallow, ALL, setting)
    assert all(np.isfinite(value_of(found[name].statistics["rmse"])) for name in ALL)


def test_lin1_reads_the_last_layer_whatever_else_is_asked(maps, own, setting):
    alone = DEPTH.measure(maps, own, ("depth",), setting)["depth"]
    beside = DEPTH.measure(maps, own, ("depth", "depth_lin4"), setting)["depth"]
    np.testing.assert_allclose(alone.statistics["rmse"].values_n, beside.statistics["rmse"].values_n, rtol=1e-3)


def test_a_mask_of_another_size_than_its_image_is_named(masks, setting, tmp_path):
    cv2.imwrite(str(tmp_path / "small.png"), np.zeros((10, 10), np.uint8))
    broken = Dense(
        "squares", masks.classes, masks.numbers, (*masks.train, Pair(masks.train[0].image, tmp_path / "small.png")),
        masks.test, "given",
    )  # fmt: skip
    with pytest.raises(DataError, match=r"small\.png: 10×10 pixels; its image .*0\.png has 64×48"):
        SEGMENTATION.measure(broken, PixelBackbone(8, CPU), (LINEAR,), setting)


def test_depth_of_zeros_is_refused_in_words(maps, setting, tmp_path):
    cv2.imwrite(str(tmp_path / "zeros.png"), np.zeros((48, 64), np.uint16))
    empty = tuple(Pair(pair.image, tmp_path / "zeros.png") for pair in maps.train)
    broken = Depth("squares", 0.001, 0.5, 5.0, maps.judged, empty, maps.test, 0, "given")
    with pytest.raises(DataError, match=r"no map of .* training images has a reading"):
        DEPTH.measure(broken, PixelBackbone(8, CPU), ("depth",), setting)

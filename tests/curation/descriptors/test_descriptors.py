"""What every descriptor promises, and what each is for."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from dinov2.curation.config import BackboneConfig, GistConfig, HashConfig
from dinov2.curation.descriptors import Descriptor, create_descriptor
from dinov2.curation.descriptors.hash import HashDescriptor
from dinov2.data.images import center_crop, normalise, resize_shortest
from dinov2.errors import ConfigError, DataError
from dinov2.models import create_model, load_backbone, save_backbone

THRESHOLD = HashDescriptor.copies_above


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_backbone(tmp_path / "b.safetensors", create_model("vit_tiny", img_size=32, patch_size=8, depth=1))
    return tmp_path / "b.safetensors"


@pytest.fixture(params=["hash", "gist", "backbone"])
def descriptor(request: pytest.FixtureRequest, weights: Path) -> Descriptor:
    configs = {
        "hash": HashConfig(),
        "gist": GistConfig(),
        "backbone": BackboneConfig(kind="backbone", weights=weights.name, resolution=32),
    }
    return create_descriptor(configs[request.param], weights.parent)


@pytest.fixture
def pictures(picture: Callable) -> list[np.ndarray]:
    return [picture(seed, *shape) for seed, shape in enumerate([(64, 64), (120, 160), (33, 200), (90, 70)])]


def test_gives_unit_vectors(descriptor: Descriptor, pictures: list[np.ndarray]) -> None:
    vectors = descriptor.embed(pictures)
    assert vectors.shape == (4, descriptor.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_pictures_of_one_colour_have_vectors(descriptor: Descriptor) -> None:
    flat = [np.full((40, 50, 3), value, np.uint8) for value in (0, 128, 255)]
    vectors = descriptor.embed(flat)
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_bytes_do_not_depend_on_batch_or_threads(descriptor: Descriptor, pictures: list[np.ndarray]) -> None:
    found = []
    for threads, images in ((1, [pictures]), (2, [[image] for image in pictures])):
        with threadpool_limits(threads):
            found.append(np.concatenate([descriptor.embed(batch) for batch in images]))
    np.testing.assert_array_equal(*found)


def test_what_is_copied_from_an_evaluation_image_is_more_suspect_than_copies_in_the_pool(
    descriptor: Descriptor,
) -> None:
    assert 0 < descriptor.leaks_above < descriptor.copies_above < 1


def test_digests_tell_descriptors_apart(weights: Path) -> None:
    def backbone(resolution: int) -> Descriptor:
        config = BackboneConfig(kind="backbone", weights=weights.name, resolution=resolution)
        return create_descriptor(config, weights.parent)

    classical = [create_descriptor(config, Path()) for config in (HashConfig(), GistConfig())]
    assert len({each.digest for each in (*classical, backbone(32), backbone(64))}) == 4
    before = backbone(32).digest
    torch.manual_seed(1)
    save_backbone(weights, create_model("vit_tiny", img_size=32, patch_size=8, depth=1))
    assert backbone(32).digest != before


def _crop(image: np.ndarray, side: float) -> np.ndarray:
    height, width = (round(length * side) for length in image.shape[:2])
    return image[-height:, :width]


EDITS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "jpeg": lambda x: cv2.imdecode(cv2.imencode(".jpg", x, [cv2.IMWRITE_JPEG_QUALITY, 20])[1], cv2.IMREAD_COLOR),
    "half the size": lambda x: cv2.resize(x, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "another aspect": lambda x: cv2.resize(x, (128, 128), interpolation=cv2.INTER_AREA),
    "darker": lambda x: (x * 0.7).astype(np.uint8),
    "brighter": lambda x: np.clip(x * 1.2, 0, 255).astype(np.uint8),
    "crop to 95 % of each side": lambda x: _crop(x, 0.95),
}


@pytest.mark.parametrize("edit", EDITS)
def test_hash_finds_copies(edit: str, picture: Callable) -> None:
    descriptor = create_descriptor(HashConfig(), Path())
    originals = [picture(seed) for seed in range(20)]
    similar = (descriptor.embed(originals) * descriptor.embed([EDITS[edit](x) for x in originals])).sum(axis=1)
    assert similar.min() > THRESHOLD


def test_hash_keeps_different_pictures_apart(picture: Callable) -> None:
    vectors = create_descriptor(HashConfig(), Path()).embed([picture(seed) for seed in range(100)])
    assert (vectors @ vectors.T)[np.triu_indices(100, 1)].max() < THRESHOLD / 2


def test_backbone_is_the_normalised_cls_token_of_the_centre(weights: Path, picture: Callable) -> None:
    config = BackboneConfig(kind="backbone", weights=weights.name, resolution=64)
    image = picture(3)
    view = center_crop(resize_shortest(image, 64), 64)
    with torch.inference_mode():
        expected = load_backbone(weights).forward_features(normalise(view[None])).cls.double()
    found = create_descriptor(config, weights.parent).embed([image])
    np.testing.assert_allclose(found, expected / expected.norm(), atol=1e-6)


def test_backbone_reads_official_files_and_files_of_other_folders(
    weights: Path, tmp_path_factory: pytest.TempPathFactory, picture: Callable
) -> None:
    torch.manual_seed(0)
    model = create_model("vit_tiny", img_size=32, patch_size=8, depth=1)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "official.pth"
    torch.save(model.state_dict(), elsewhere)
    configs = [BackboneConfig(kind="backbone", weights=str(path), resolution=32) for path in (weights.name, elsewhere)]
    own, official = (create_descriptor(config, weights.parent).embed([picture(3)]) for config in configs)
    np.testing.assert_allclose(own, official, atol=1e-6)


def test_backbone_refuses_a_resolution_that_patches_do_not_tile(weights: Path) -> None:
    config = BackboneConfig(kind="backbone", weights=weights.name, resolution=60)
    with pytest.raises(ConfigError, match=r"resolution: 60.*patch, 8"):
        create_descriptor(config, weights.parent)


def test_backbone_says_which_weights_diverged(weights: Path, picture: Callable) -> None:
    model = load_backbone(weights)
    with torch.no_grad():
        next(model.parameters()).fill_(torch.nan)
    save_backbone(weights, model)
    config = BackboneConfig(kind="backbone", weights=weights.name, resolution=32)
    with pytest.raises(DataError, match=r"embed: backbone: weights: 'b\.safetensors': vectors: some are not finite"):
        create_descriptor(config, weights.parent).embed([picture(3)])


def test_backbone_says_which_weights_are_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.safetensors"):
        create_descriptor(BackboneConfig(kind="backbone", weights="absent.safetensors"), tmp_path)

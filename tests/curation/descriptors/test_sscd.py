"""The user's TorchScript network as a descriptor: what it is shown, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from dinov2.curation.config import SscdConfig
from dinov2.curation.descriptors import create_descriptor
from dinov2.data.images import IMAGENET_MEAN, IMAGENET_STD
from dinov2.errors import DataError


class Network(nn.Module):
    """Convolution, pooling and a projection, as copy detection networks have them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.project = nn.Conv2d(3, 8, 5, stride=2), nn.Linear(8, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.project(torch.relu(self.conv(x)).mean(dim=(2, 3)))


class Flat(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(1, 2, 3))


class Unnumbered(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3)) / 0


class OfAnotherSize(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(-1, 3 * 224 * 224)[:, :8]


@pytest.fixture
def save(tmp_path: Path) -> Callable[[nn.Module], SscdConfig]:
    """`save(module)`: the parameters that name its TorchScript file in the workspace `tmp_path`."""

    def made(module: nn.Module, **changes: object) -> SscdConfig:
        torch.jit.script(module.eval()).save(str(tmp_path / "copies.torchscript.pt"))
        return SscdConfig(kind="sscd", weights="copies.torchscript.pt", **changes)

    return made


@pytest.mark.parametrize(("square", "size"), [(False, (71, 48)), (True, (48, 48))])
def test_images_are_prepared_as_the_authors_do(
    save: Callable, tmp_path: Path, picture: Callable, square: bool, size: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    network, image = Network(), picture(1, 100, 150)[:, :149]
    descriptor = create_descriptor(save(network, resolution=48, square=square), tmp_path)
    view = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR), np.float32) / 255
    x_bchw = torch.from_numpy((view - IMAGENET_MEAN) / IMAGENET_STD).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        expected = network(x_bchw).double()
    found = descriptor.embed([np.ascontiguousarray(image)])
    np.testing.assert_allclose(found, expected / expected.norm(), atol=2e-3)
    assert (descriptor.dim, descriptor.shortest) == (6, 48)


def test_the_vector_of_an_image_is_the_same_bits_in_any_batch_and_however_often_it_is_asked_for(
    save: Callable, tmp_path: Path, picture: Callable
) -> None:
    descriptor = create_descriptor(save(Network(), resolution=40), tmp_path)
    images = [picture(seed, 60 + seed, 90) for seed in range(5)]
    alone = np.concatenate([descriptor.embed([image]) for image in images])
    for _ in range(4):
        np.testing.assert_array_equal(descriptor.embed(images[::-1])[::-1], alone)


def test_the_thresholds_are_those_of_the_paper(save: Callable, tmp_path: Path) -> None:
    descriptor = create_descriptor(save(Network(), resolution=32), tmp_path)
    assert (descriptor.copies_above, descriptor.leaks_above) == (0.6, 0.45)


def test_the_digest_is_of_the_content_and_the_preparation(save: Callable, tmp_path: Path) -> None:
    config = save(Network(), resolution=32)
    first = create_descriptor(config, tmp_path).digest
    (tmp_path / "renamed.pt").write_bytes((tmp_path / config.weights).read_bytes())
    assert create_descriptor(config.model_copy(update={"weights": "renamed.pt"}), tmp_path).digest == first
    assert create_descriptor(config.model_copy(update={"square": True}), tmp_path).digest != first
    assert create_descriptor(save(Network(), resolution=32), tmp_path).digest != first


@pytest.mark.parametrize(
    ("module", "fault"),
    [
        (Flat(), r"gave \(1,\) for 1 images; wanted \(1, D\) of floats"),
        (Unnumbered(), "vectors: some are not finite: the descriptor's weights are broken"),
        (OfAnotherSize(), r"fails on images \(1, 3, 32, 32\)"),
    ],
)
def test_a_network_that_gives_no_vectors_is_refused(
    save: Callable, tmp_path: Path, module: nn.Module, fault: str
) -> None:
    with pytest.raises(DataError, match=rf"embed: sscd: weights: 'copies\.torchscript\.pt': {fault}"):
        create_descriptor(save(module, resolution=32), tmp_path)


def test_what_is_no_torchscript_is_refused_in_one_line(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / "weights.pt")
    (tmp_path / "text.pt").write_text("no network")
    unlike = "not a TorchScript file"
    for name, fault in (("weights.pt", unlike), ("text.pt", unlike), ("none.pt", "no such file")):
        with pytest.raises(DataError, match=f"{name}': {fault}") as told:
            create_descriptor(SscdConfig(kind="sscd", weights=name), tmp_path)
        assert "\n" not in str(told.value)

"""A vector is the same bits whatever images are described along with it."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from dinov2.curation.descriptors.alone import Alone
from dinov2.data.images import normalise
from dinov2.models import VisionTransformer, create_model

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network() -> VisionTransformer:
    torch.manual_seed(0)
    return create_model("vit_small", img_size=56, patch_size=14, depth=3, layerscale=1.0).eval()


@pytest.fixture
def views(picture: Callable) -> list[np.ndarray]:
    return [picture(seed, 56, 56) for seed in range(13)]


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """`threads(n)`: torch computes with so many until the test ends."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_order_size_of_batches_and_threads_change_no_bit(
    network: VisionTransformer, views: list[np.ndarray], threads: Callable[[int], None], count: int
) -> None:
    threads(1)
    expected = Alone(network, CPU)(views)
    threads(count)
    describe = Alone(network, CPU)
    order = np.random.default_rng(0).permutation(len(views))
    np.testing.assert_array_equal(describe([views[n] for n in order]), expected[order])
    for size in (1, 3, 5, 7):
        parts = [describe(views[start : start + size]) for start in range(0, len(views), size)]
        np.testing.assert_array_equal(np.concatenate(parts), expected)
    assert torch.get_num_threads() == count


def test_the_vectors_are_the_network_s(network: VisionTransformer, views: list[np.ndarray]) -> None:
    with torch.inference_mode():
        together = network(normalise(np.stack(views))).numpy()
    np.testing.assert_allclose(Alone(network, CPU)(views), together, atol=1e-5)


def test_views_of_many_sizes_go_through(network: VisionTransformer, picture: Callable) -> None:
    views = [picture(0, 56, 56), picture(1, 28, 70), picture(0, 56, 56)]
    found = Alone(network, CPU)(views)
    np.testing.assert_array_equal(found[0], found[2])
    assert not np.array_equal(found[0], found[1])


def test_elsewhere_batches_have_one_size_and_what_fills_them_up_is_left_out(views: list[np.ndarray]) -> None:
    seen = []

    def network(x_bchw: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(x_bchw.shape))
        return x_bchw.mean(dim=(2, 3))

    found = Alone(network, CPU, size=5)(views)
    assert seen == [(5, 3, 56, 56)] * 3
    np.testing.assert_allclose(found, normalise(np.stack(views)).mean(dim=(2, 3)).numpy(), atol=1e-5)

import numpy as np
import torch

from dinov2.evaluation.controls import PixelEncoder, chance, random_twin


def test_pixels_are_mean_free_of_unit_variance_and_keep_their_place():
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    found = PixelEncoder(64)(images)
    assert found.cls.shape == (3, 768)
    assert found.patch.shape == (3, 0)
    np.testing.assert_allclose(found.cls.mean(1), 0, atol=1e-6)
    np.testing.assert_allclose(found.cls.std(1), 1, atol=1e-4)
    means = images.reshape(3, 16, 4, 16, 4, 3).mean(axis=(2, 4)).reshape(3, -1)  # what area averaging is
    expected = (means - means.mean(1, keepdims=True)) / means.std(1, keepdims=True)
    np.testing.assert_allclose(found.cls, expected, atol=0.05)


def test_an_image_of_one_colour_gives_zeros():
    assert (PixelEncoder(32)(np.full((1, 32, 32, 3), 77, np.uint8)).cls == 0).all()


def test_the_twin_has_the_shape_but_not_the_weights_and_repeats(backbone):
    state = torch.random.get_rng_state()
    one, same, other = random_twin(backbone, 0), random_twin(backbone, 0), random_twin(backbone, 1)
    assert torch.equal(torch.random.get_rng_state(), state)
    weights = backbone.state_dict()
    assert {name: value.shape for name, value in one.state_dict().items()} == {n: v.shape for n, v in weights.items()}
    name = "blocks.0.attn.qkv.weight"
    assert torch.equal(one.state_dict()[name], same.state_dict()[name])
    assert not torch.equal(one.state_dict()[name], other.state_dict()[name])
    assert not torch.equal(one.state_dict()[name], weights[name])


def test_the_twin_sees_the_image_even_where_training_starts_blind(backbone):
    torch.manual_seed(0)
    images = torch.randn(2, 3, 32, 32)
    twin = random_twin(backbone, 0)
    with torch.no_grad():
        one, other = twin.forward_features(images).cls
    assert (one - other).norm() > 0.05 * one.norm()


def test_chance_is_the_largest_training_class():
    train, test = np.array([2, 2, 1, 0, 2]), np.array([2, 0, 1, 1])
    assert chance(train, test) == 0.25
    assert chance(np.array([1, 0]), test) == 0.25  # of equals the lower class

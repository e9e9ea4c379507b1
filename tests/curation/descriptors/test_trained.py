"""The trained descriptor: what it learns from, that it learns, and that it is the same whoever fits it."""

import json
import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from threadpoolctl import threadpool_limits
from torch.nn.functional import cross_entropy

from dinov2.curation.config import TrainedConfig
from dinov2.curation.descriptors import create_descriptor
from dinov2.curation.descriptors.trained import edits, fitted, views
from dinov2.curation.descriptors.trained.batches import Cache, batches, relations
from dinov2.curation.descriptors.trained.descriptor import TrainedDescriptor
from dinov2.curation.descriptors.trained.files import load_trained, save_trained
from dinov2.curation.descriptors.trained.fit import Fit, one_thread_each
from dinov2.curation.descriptors.trained.loss import entropy, infonce
from dinov2.curation.descriptors.trained.network import CopyNetwork
from dinov2.curation.descriptors.trained.whitening import whitening
from dinov2.errors import ConfigError, DataError
from dinov2.storage import Store

CPU = torch.device("cpu")
SMALL = TrainedConfig(resolution=32, patch_size=8, width=32, depth=1, heads=1, dim=16, steps=4, batch_size=8)


def _unit(seed: int, count: int, dim: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(count, dim, generator=generator, dtype=torch.float64), dim=-1)


# Views of images 0 to 3; one shows 0 and 1 (a positive of both), one shows 2 and a little of 3 (of neither sort to 3).
NUMBERS = np.array([[0, 1], [0, 1], [1, 0], [1, 0], [2, 3], [2, 3], [3, 2], [3, 2]])
SHARES = np.array([[1, 0], [0.6, 0.4], [1, 0], [1, 0], [1, 0], [1, 0.05], [1, 0], [1, 0]])


def test_a_mixed_view_is_a_positive_of_both_images_and_a_hint_of_one_is_no_negative() -> None:
    positive, related = relations(NUMBERS, SHARES)
    assert positive.T.equal(positive)
    assert not positive.diagonal().any()
    assert related.diagonal().all()
    assert positive[1].nonzero().ravel().tolist() == [0, 2, 3]
    assert positive[0].nonzero().ravel().tolist() == [1]
    assert positive[5].nonzero().ravel().tolist() == [4]
    assert related[5].nonzero().ravel().tolist() == [4, 5, 6, 7]
    assert not related[4, 6]


def test_infonce_is_the_mean_over_positives_of_the_written_out_loss() -> None:
    z, (positive, related) = _unit(0, 8, 5), relations(NUMBERS, SHARES)
    s = np.exp((z @ z.T).numpy() / 0.1)
    views_losses = []
    for i in range(8):
        negatives = sum(s[i, k] for k in range(8) if not related[i, k])
        views_losses.append(np.mean([-np.log(s[i, j] / (s[i, j] + negatives)) for j in range(8) if positive[i, j]]))
    assert infonce(z, positive, related, 0.1).item() == pytest.approx(np.mean(views_losses), rel=1e-6)


def test_entropy_is_the_log_distance_to_the_nearest_negative() -> None:
    z, (_, related) = _unit(1, 8, 5), relations(NUMBERS, SHARES)
    distances = np.linalg.norm(z.numpy()[:, None] - z.numpy()[None], axis=-1)
    nearest = [min(distances[i, k] for k in range(8) if not related[i, k]) for i in range(8)]
    assert entropy(z, related).item() == pytest.approx(-np.log(nearest).mean(), abs=1e-7)


def test_infonce_takes_gradients_where_all_others_are_related() -> None:
    z = _unit(2, 2, 5).requires_grad_()
    positive = torch.tensor([[False, True], [True, False]])
    infonce(z, positive, torch.ones(2, 2, dtype=torch.bool), 0.1).backward()
    assert z.grad is not None
    assert z.grad.isfinite().all()


ALL_EDITS = sorted({edit for table in (views.LIGHT, views.BEFORE, views.AFTER) for _, edit in table}, key=str)


@pytest.mark.parametrize("edit", ALL_EDITS, ids=lambda edit: edit.__name__)
def test_edits_keep_type_and_size_and_are_drawn_from_the_generator_alone(edit: edits.Edit, picture: Callable) -> None:
    original = picture(1, 80, 80)
    for seed in range(12):
        image = original.copy()
        first, second = (edit(image, np.random.default_rng(seed)) for _ in range(2))
        np.testing.assert_array_equal(first, second)
        assert (first.dtype, first.shape) == (np.uint8, original.shape)
        np.testing.assert_array_equal(image, original)


def test_views_of_any_shape_are_squares_of_the_network(picture: Callable) -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        image, partner = picture(1, 30 + seed, 90), picture(2, 120, 41)
        for view in (views.light(image, 32, rng), views.strong(image, partner, 32, rng)):
            assert (view.pixels.dtype, view.pixels.shape) == (np.uint8, (32, 32, 3))
            assert 0 < view.share <= 1
            assert 0 <= view.partner_share <= 1


def test_a_reframed_crop_is_that_part_of_the_picture(picture: Callable) -> None:
    image = picture(3, 64, 64)
    whole = edits.reframe(image, 64, np.random.default_rng(0), (1.0, 1.0), 1.0, 0, 0)
    np.testing.assert_array_equal(whole, image)


def test_batches_are_the_same_on_any_threads_from_any_step_and_with_any_cache(picture: Callable) -> None:
    images = [picture(seed, 40, 50) for seed in range(5)]
    once = list(batches(SMALL, images.__getitem__, 5, 3, 0, 1))
    again = list(batches(SMALL, Cache(images.__getitem__, 3 * images[0].nbytes), 5, 3, 2, 4))
    assert (len(once), len(again)) == (4, 2)
    for first, second in zip(once[2:], again, strict=True):
        np.testing.assert_array_equal(first.pixels, second.pixels)
        assert first.positive.equal(second.positive)
        assert first.related.equal(second.related)


def test_the_cache_reads_once_what_fits_and_no_more() -> None:
    asked: list[int] = []

    def read(number: int) -> np.ndarray:
        asked.append(number)
        return np.full((10, 10, 3), number, np.uint8)

    cache = Cache(read, 2 * 300)
    for _ in range(3):
        assert [int(cache(number)[0, 0, 0]) for number in range(3)] == [0, 1, 2]
    assert asked == [0, 1, 2, 2, 2]


def test_whitened_vectors_are_not_correlated() -> None:
    random = np.random.default_rng(0)
    vectors = (random.standard_normal((500, 6)) @ random.standard_normal((6, 6)) + 3).astype(np.float32)
    mean, matrix = whitening(vectors)
    covariance = np.cov(((vectors - mean.numpy()) @ matrix.numpy()).T)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-3)
    assert (np.diff(np.diag(covariance)) < 1e-3).all()


def _descriptor(seed: int = 0, config: TrainedConfig = SMALL) -> TrainedDescriptor:
    torch.manual_seed(seed)
    network = CopyNetwork(config)
    return TrainedDescriptor(config, network, torch.zeros(config.dim), torch.eye(config.dim), f"named{seed}")


def test_a_vector_depends_on_its_image_alone_to_the_last_bit(picture: Callable) -> None:
    pictures = [picture(seed, 50 + 7 * seed, 90) for seed in range(7)]
    descriptor = _descriptor()
    found = []
    for threads, lists in ((1, [pictures]), (2, [[image] for image in pictures]), (2, [pictures[:3], pictures[3:]])):
        descriptor.threads = threads
        with threadpool_limits(threads):
            found.append(np.concatenate([descriptor.embed(images) for images in lists]))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_allclose(np.linalg.norm(found[0], axis=1), 1, atol=1e-6)


def test_a_mirrored_picture_has_the_same_vector(picture: Callable) -> None:
    image = picture(1)
    first, second = _descriptor().embed([image, np.ascontiguousarray(image[:, ::-1])])
    assert first @ second > 0.999


def test_a_file_brings_back_the_descriptor_and_its_bytes_name_it(tmp_path: Path, picture: Callable) -> None:
    first = _descriptor(0)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        save_trained(tmp_path / f"{name}.safetensors", _descriptor(seed))
    same, twin, other = (load_trained(tmp_path / f"{name}.safetensors") for name in "abc")
    np.testing.assert_array_equal(first.embed([picture(1)]), same.embed([picture(1)]))
    assert same.digest == twin.digest != other.digest
    made = create_descriptor(TrainedConfig(weights="a.safetensors"), tmp_path)
    assert made.digest == same.digest


def test_a_damaged_or_foreign_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    save_trained(path, _descriptor())
    (tmp_path / "cut.safetensors").write_bytes(path.read_bytes()[:-100])
    save_file(load_file(path), tmp_path / "bare.safetensors")
    tensors = load_file(path)
    tensors["whitening.mean"] = torch.zeros(3)
    content = json.dumps({"trained_descriptor": json.dumps({"version": 1, "config": SMALL.model_dump()})})
    save_file(tensors, tmp_path / "odd.safetensors", {"dinov2": content})
    faults = {"cut": "not a whole", "bare": "not a descriptor", "odd": r"mean is \(3,\)", "no": "no such"}
    for name, fault in faults.items():
        with pytest.raises(DataError, match=rf"{name}\.safetensors.*{fault}"):
            load_trained(tmp_path / f"{name}.safetensors")


def test_one_that_must_learn_first_is_not_created() -> None:
    with pytest.raises(ConfigError, match="has to learn"):
        create_descriptor(TrainedConfig(), Path())


def _fitted(pool, store: Store, threads: int = 1, config: TrainedConfig = SMALL) -> TrainedDescriptor:
    return fitted.fitted(config, pool.manifest.to_pylist(), pool.reader, store, 0, threads, CPU)


def _bytes(store: Store) -> bytes:
    (name,) = [name for name in store.list("descriptors") if name.endswith(".safetensors")]
    return store.read(name)


class KilledError(Exception):
    pass


def test_fits_are_the_same_bits_on_any_threads_and_however_often_killed(
    make_pool: Callable, picture: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make_pool([picture(seed, 48, 60) for seed in range(6)])
    whole, twin, killed = (Store(str(tmp_path / name)) for name in ("whole", "twin", "killed"))
    first = _fitted(pool, whole)
    _fitted(pool, twin, threads=2)
    monkeypatch.setattr(fitted, "CHECKPOINT_EVERY_S", 0.0)
    learn, done = Fit.learn, []

    def dying(self: Fit, *args: object) -> float:
        if len(done) in (2, 4):
            done.append(-1)
            raise KilledError
        done.append(self.step)
        return learn(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Fit, "learn", dying)
    for _ in range(2):
        with pytest.raises(KilledError):
            _fitted(pool, killed)
    _fitted(pool, killed)
    assert done == [0, 1, -1, 2, -1, 3]
    assert _bytes(whole) == _bytes(twin) == _bytes(killed)
    assert _fitted(pool, whole).digest == first.digest


def test_what_was_fitted_is_read_again_and_made_again_when_it_is_damaged(
    make_pool: Callable, picture: Callable, capsys: pytest.CaptureFixture
) -> None:
    pool = make_pool([picture(seed, 48, 60) for seed in range(4)])
    first = _fitted(pool, pool.store).embed([picture(9)])
    shutil.rmtree(pool.folder / "pool")
    np.testing.assert_array_equal(_fitted(pool, pool.store).embed([picture(9)]), first)
    (name,) = [name for name in pool.store.list("descriptors") if name.endswith(".safetensors")]
    pool.store.write(name, b"damaged")
    with pytest.raises(DataError, match="cannot read"):
        _fitted(pool, pool.store)
    assert "damaged" in capsys.readouterr().err


def test_order_and_doubles_of_the_pool_change_nothing_and_its_images_do(make_pool: Callable, picture: Callable) -> None:
    pool = make_pool([picture(seed, 48, 60) for seed in range(4)], [picture(0, 48, 60)])
    rows = sorted(pool.manifest.to_pylist(), key=lambda row: row["source"], reverse=True)

    def name(rows: list[dict]) -> str:
        return fitted.fitted(SMALL, rows, pool.reader, pool.store, 0, 1, CPU).digest

    assert rows[4]["sha256"] == rows[0]["sha256"]
    assert name(rows) == name(rows[::-1]) == name(rows[:4])
    assert name(rows[:3]) != name(rows[:4])
    with pytest.raises(DataError, match="1 different images"):
        name([rows[0], rows[4]])


@pytest.fixture(scope="module")
def copies(picture: Callable) -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(0)
    originals = [picture(1000 + seed, 64, 80) for seed in range(40)]
    return originals, [edits.reframe(image, 64, rng, (0.6, 0.8), 1.2, 0, 0) for image in originals]


def test_a_few_seconds_of_learning_help(picture: Callable, copies: tuple[list, list]) -> None:
    config = SMALL.model_copy(update={"steps": 50, "batch_size": 16, "width": 48, "dim": 32, "lr": 2e-3})
    images = [picture(seed, 64, 80) for seed in range(64)]

    def surprise(fit: Fit) -> float:
        """How unlikely originals are for their copies: log 40 when a copy is like all of them."""
        descriptor = TrainedDescriptor(config, fit.network, torch.zeros(32), torch.eye(32), "")
        originals, edited = (torch.from_numpy(descriptor.embed(each)) for each in copies)
        return cross_entropy(edited @ originals.T / 0.1, torch.arange(40)).item()

    untrained, fit = Fit(config, 0, CPU), Fit(config, 0, CPU)
    with one_thread_each(1) as executor:
        fit.begin(islice(batches(config, images.__getitem__, 64, 0, 0, 1), 4))
        for batch in batches(config, images.__getitem__, 64, 0, 0, 1):
            fit.learn(batch, executor)
    assert surprise(fit) < surprise(untrained) - 0.15


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [("patch_size", 12, "power of two"), ("resolution", 60, "multiple"), ("heads", 5, "heads")],
)
def test_sizes_that_do_not_fit_are_refused(key: str, value: int, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        TrainedConfig.model_validate({key: value})

import numpy as np
import pytest

from dinov2.training.optimiser import OptimiserConfig, Schedules
from dinov2.training.schedules import cosine, linear


def test_cosine_equals_a_table_made_with_numpy() -> None:
    total, warmup, start, end = 50, 8, 0.3, 0.01
    left = np.arange(total - warmup)
    table = np.concatenate(
        [np.linspace(0, start, warmup), end + 0.5 * (start - end) * (1 + np.cos(np.pi * left / len(left)))]
    )
    found = [cosine(step, total, start, end, warmup) for step in range(total)]
    np.testing.assert_allclose(found, table, atol=1e-12)
    assert cosine(total + 5, total, start, end, warmup) == end


@pytest.mark.parametrize("duration", [0, 1, 2, 30])
def test_linear_equals_linspace_and_then_stays(duration: int) -> None:
    found = [linear(step, duration, 0.04, 0.07) for step in range(duration + 3)]
    np.testing.assert_allclose(found, [*np.linspace(0.04, 0.07, duration), 0.07, 0.07, 0.07])


def test_published_schedule_of_vit_l() -> None:
    schedules = Schedules(OptimiserConfig(), (0.04, 0.07), batch_size=3072, iterations=625_000, epoch_length=1250)
    first, second_epoch, peak, last = (schedules.at(step) for step in (0, 1250, 80 * 1250 - 1, 624_999))
    assert first.lr == 0.0
    assert first.last_layer_lr == 0.0
    assert schedules.at(1249).last_layer_lr == 0.0
    assert second_epoch.last_layer_lr == second_epoch.lr > 0
    assert peak.lr == pytest.approx(2e-4 * np.sqrt(3))
    assert last.lr == pytest.approx(1e-6, rel=1e-3)
    assert [first.weight_decay, last.weight_decay] == pytest.approx([0.04, 0.2])
    assert [first.momentum, last.momentum] == pytest.approx([0.994, 1.0])
    assert schedules.at(30 * 1250 - 1).teacher_temperature == pytest.approx(0.07)
    assert schedules.at(15 * 1250).teacher_temperature == pytest.approx(0.055, abs=1e-5)


EPOCH = 1250
SHORT = OptimiserConfig(
    base_lr=4e-3, warmup_epochs=10, weight_decay=(0.04, 0.4), layer_decay=0.9, teacher_momentum=(0.992, 1.0)
)


def table(base: float, final: float, total: int, warmup: int = 0) -> np.ndarray:
    """A published schedule: a line from 0, endpoint included, then half a cosine over what is left."""
    left = np.arange(total - warmup)
    falling = final + 0.5 * (base - final) * (1 + np.cos(np.pi * left / len(left)))
    return np.concatenate([np.linspace(0, base, warmup), falling])


@pytest.mark.parametrize(
    ("config", "batch_size", "epochs"), [(OptimiserConfig(), 3072, 500), (SHORT, 2048, 100)], ids=["ViT-g/14", "short"]
)
def test_published_schedules_equal_their_tables(config: OptimiserConfig, batch_size: int, epochs: int) -> None:
    total = epochs * EPOCH
    lr = table(config.base_lr * (batch_size / 1024) ** 0.5, 1e-6, total, round(config.warmup_epochs) * EPOCH)
    last_layer = np.concatenate([np.zeros(EPOCH), lr[EPOCH:]])
    decay, momentum = table(*config.weight_decay, total), table(*config.teacher_momentum, total)
    rise = np.linspace(0.04, 0.07, 30 * EPOCH)
    temperature = np.concatenate([rise, np.full(total - len(rise), 0.07)])
    schedules = Schedules(config, (0.04, 0.07), batch_size, total, EPOCH)
    edges = [EPOCH, 10 * EPOCH, 30 * EPOCH, 80 * EPOCH, total]
    near = {edge + offset for edge in edges for offset in (-2, -1, 0, 1)}
    steps = sorted(near & set(range(total)) | set(range(0, total, 997)))
    found = [schedules.at(step) for step in steps]
    for name, expected in (
        ("lr", lr), ("last_layer_lr", last_layer), ("weight_decay", decay), ("momentum", momentum),
        ("teacher_temperature", temperature),
    ):  # fmt: skip
        np.testing.assert_allclose([getattr(each, name) for each in found], expected[steps], rtol=1e-9, err_msg=name)

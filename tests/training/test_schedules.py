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

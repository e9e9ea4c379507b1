"""Estimates go by the rate that says most of the device and run in question, and name it."""

from dataclasses import replace

import pytest

from dinov2.stages.plan.estimate import choose, estimate
from dinov2.training.rates import Rate

H100, A100, CPU = "NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-40GB", "x86_64 CPU, threads: 2"
NEWEST = Rate("pretrain", "cuda", A100, 4, 1e14, 50.0, 100, "2026-03-01T00:00:00+00:00")
OTHERS = replace(NEWEST, run="S+B", device=H100, flops=3e14, at="2026-02-01T00:00:00+00:00")
OWN = replace(NEWEST, device=H100, flops=2e14, at="2026-01-01T00:00:00+00:00")
RATES = [NEWEST, replace(NEWEST, kind="cpu", device=CPU), OTHERS, OWN]


@pytest.mark.parametrize(
    ("product", "run", "wanted"),
    [
        ("NVIDIA-H100-80GB-HBM3", "pretrain", OWN),
        ("NVIDIA-H100-80GB-HBM3", "B", OTHERS),
        ("NVIDIA-H100-80GB-HBM3", "highres", OTHERS),
        ("NVIDIA-B200", "highres", NEWEST),
        (None, "S", OTHERS),
        (None, "highres", NEWEST),
    ],
)
def test_the_device_counts_first_then_the_run_then_which_is_newest(product: str | None, run: str, wanted: Rate) -> None:
    assert choose(RATES, "cuda", product, run) == wanted


def test_a_gpu_is_never_estimated_by_a_cpu() -> None:
    assert choose(RATES[1:2], "cuda", None, "pretrain") is None
    assert choose(RATES, "cpu", None, "pretrain") == RATES[1]
    assert choose([], "cpu", None, "pretrain") is None


def test_an_estimate_is_work_over_speed_and_says_where_the_speed_is_from() -> None:
    found = estimate(7.2e20, 10, "NVIDIA-H100-80GB-HBM3", OWN)
    assert found.hours == pytest.approx(100.0)
    assert found.source == f"200 TFLOP/s each, of pretrain on 4 × {H100}, 2026-01-01"
    assert estimate(1.0, 1, "NVIDIA-B200", OWN).source.endswith("; none was measured on NVIDIA-B200")
    assert estimate(1.0, 1, None, OWN).source == found.source

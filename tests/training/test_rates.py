"""What a run notes of its speed is what it did, whatever the store and the clock do; its result knows nothing of it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dinov2.errors import DataError
from dinov2.storage import Store
from dinov2.training import rates
from dinov2.training.flops import step_flops
from dinov2.training.loop import train
from dinov2.training.rates import Pace, Rate, label, read_rates
from dinov2.training.work import Place, Work

CPU = torch.device("cpu")


class Clock:
    """A clock that only the test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(rates.time, "perf_counter", lambda: self.now)

    def steps(self, pace: Pace, *seconds: float) -> None:
        for own in seconds:
            self.now += own
            pace.step()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_run_notes_its_rate_and_ends_with_the_weights_of_one_that_cannot(
    work: Callable[..., Work], place: Callable[..., Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, there = work("first"), place()
    train(first, there)
    (rate,) = read_rates(there.store)
    assert (rate.run, rate.processes, rate.steps) == ("first", 1, first.config.iterations - 1)
    assert (rate.kind, rate.device) == ("cpu", rates.device_name(CPU))
    assert rate.flops == pytest.approx(rate.images / first.config.batch_size * step_flops([first.config]))

    def no_room(name: str, _data: bytes) -> None:
        raise OSError(28, "No space left on device", name)

    second, store = replace(first, backbone=tmp_path / "second.safetensors"), Store(str(tmp_path / "other"))
    real = store.write
    monkeypatch.setattr(store, "write", lambda name, data: (no_room if "rates" in name else real)(name, data))
    train(second, replace(there, store=store))
    assert read_rates(store) == []
    assert second.backbone.read_bytes() == first.backbone.read_bytes()


@pytest.mark.usefixtures("alone")
def test_the_median_of_recent_steps_counts_without_what_lies_between_a_note_and_the_next_step(
    work: Callable[..., Work], tmp_path: Path, clock: Clock
) -> None:
    own, store = work("run"), Store(str(tmp_path / "store"))
    with Pace([own], None, store, CPU) as pace:
        clock.steps(pace, 50.0, 2.0, 2.0, 30.0, 2.0)
        pace.note()
    assert read_rates(store) == [], "four measured steps are too few"
    with Pace([own], None, store, CPU) as pace:
        clock.steps(pace, 50.0, 2.0, 2.0, 30.0, 2.0, 2.0)
        pace.note()
    assert [(rate.images, rate.steps) for rate in read_rates(store)] == [(own.config.batch_size / 2, 5)]
    with Pace([own], None, store, CPU) as pace:
        for _ in range(rates.RECENT):
            clock.steps(pace, 1000.0, 4.0)
            pace.note()
    assert [rate.images for rate in read_rates(store)] == [own.config.batch_size / 4], "in place of the one before"


@pytest.mark.usefixtures("alone")
def test_students_of_one_teacher_are_one_rate(work: Callable[..., Work], tmp_path: Path, clock: Clock) -> None:
    store = Store(str(tmp_path / "store"))
    with Pace([work("S"), work("B")], None, store, CPU) as pace:
        clock.steps(pace, *[1.0] * 6)
        pace.note()
    (rate,) = read_rates(store)
    assert rate.run == "S+B"
    assert rate.flops == step_flops([work("S").config] * 2)


@pytest.mark.usefixtures("alone")
def test_the_newest_comes_first_and_devices_are_labelled_as_nodes_are(
    work: Callable[..., Work], tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(str(tmp_path / "store"))
    for device in ("NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-40GB"):
        monkeypatch.setattr(rates, "device_name", lambda _, device=device: device)
        with Pace([work("run")], None, store, CPU) as pace:
            clock.steps(pace, *[1.0] * 6)
            pace.note()
    names = store.list("rates")
    assert [name.split("/")[1] for name in names] == ["NVIDIA-A100-SXM4-40GB", "NVIDIA-H100-80GB-HBM3"]
    older = Rate("run", "cuda", "NVIDIA H100 80GB HBM3", 1, 1.0, 1.0, 9, "2020-01-01T00:00:00+00:00")
    store.write("rates/x.json", json.dumps(vars(older)).encode())
    assert read_rates(store)[-1] == older
    assert label(" NVIDIA  H100 (PCIe) ") == "NVIDIA-H100-PCIe"
    assert read_rates(Store(str(tmp_path / "empty"))) == []
    store.write("rates/y.json", b"[1]")
    with pytest.raises(DataError, match=r"rates/y\.json: not a rate"):
        read_rates(store)

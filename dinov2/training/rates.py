"""How fast training was, noted in the store for estimates. No result depends on it, and none has a time in it.

rates/DEVICE/RUN.json     the run's name and digest, and how many processes; the newest measurement replaces others
"""

import json
import platform
import re
import sys
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Self

import torch
import torch.distributed as dist

from dinov2.errors import DataError, UnreachableError, UserError
from dinov2.models import VisionTransformer
from dinov2.storage import Store
from dinov2.training.flops import step_flops
from dinov2.training.work import Work

FOLDER = "rates"
RECENT = 100
"""Steps, of which the median counts."""
LEAST = 5
"""Steps that make a measurement."""


@dataclass(frozen=True)
class Rate:
    """What was measured of a run.

    Attributes:
        run: its name; several joined by "+" were trained together.
        kind: of device, "cuda" or "cpu".
        device: what it ran on, as torch or the system names it.
        processes: that worked together, one a device.
        flops: FLOP per second of each process, see `flops.py`.
        images: per second, over all processes.
        steps: of which these are medians.
        at: UTC, ISO 8601.
    """

    run: str
    kind: str
    device: str
    processes: int
    flops: float
    images: float
    steps: int
    at: str


def device_name(device: torch.device) -> str:
    """What a rate is of: the GPU, or the CPU's architecture and how many threads compute on it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, threads: {torch.get_num_threads()}"


def label(device: str) -> str:
    """A device's name as Kubernetes labels spell it: NVIDIA-H100-80GB-HBM3."""
    return re.sub(r"[^A-Za-z0-9]+", "-", device).strip("-")


def read_rates(store: Store) -> list[Rate]:
    """All that are noted, the newest first.

    Raises:
        DataError: a file among them is none.
    """
    return sorted((_read(store, name) for name in store.list(FOLDER)), key=lambda rate: rate.at, reverse=True)


def _read(store: Store, name: str) -> Rate:
    try:
        return Rate(**json.loads(store.read(name)))
    except (TypeError, ValueError) as error:
        raise DataError(f"{store.url_of(name)}: not a rate: {error}; remove it") from None


class Pace:
    """Measures steps; on rank 0 also notes the rate, in the background. For use in a `with` block.

    Args:
        works: that are trained together.
        frozen: their teacher's backbone, if it is not the first one's average.
        store: where rates are noted.
        device: what computes.
    """

    def __init__(
        self, works: Sequence[Work], frozen: VisionTransformer | None, store: Store, device: torch.device
    ) -> None:
        self._works, self._store, self._device = works, store, device
        self._flops = step_flops([work.config for work in works], frozen) if dist.get_rank() == 0 else 0.0
        self._seconds: deque[float] = deque(maxlen=RECENT)
        self._since: float | None = None
        self._thread = ThreadPoolExecutor(1, "rates")
        self._noting: Future[None] | None = None

    def step(self) -> None:
        """A step has ended; the time since the one before, loading included, is measured."""
        now = time.perf_counter()
        if self._since is not None:
            self._seconds.append(now - self._since)
        self._since = now

    def note(self) -> None:
        """Write what the last steps took, unless the note before is still being written; the next step counts anew."""
        self._since = None
        if dist.get_rank() == 0 and len(self._seconds) >= LEAST and (self._noting is None or self._noting.done()):
            rate, first = self._rate(), self._works[0]
            name = f"{FOLDER}/{label(rate.device)}/{rate.run}-{first.digest}-{rate.processes}.json"
            self._noting = self._thread.submit(self._write, name, rate)

    def _rate(self) -> Rate:
        seconds, processes = median(self._seconds), dist.get_world_size()
        return Rate(
            run="+".join(work.name for work in self._works),
            kind=self._device.type,
            device=device_name(self._device),
            processes=processes,
            flops=self._flops / seconds / processes,
            images=self._works[0].config.batch_size / seconds,
            steps=len(self._seconds),
            at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _write(self, name: str, rate: Rate) -> None:
        try:
            self._store.write(name, json.dumps(asdict(rate), indent=2).encode())
        except (OSError, UserError, UnreachableError) as error:  # training goes on as well without
            print(f"{self._store.url_of(name)}: not written: {error}", file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._thread.shutdown()

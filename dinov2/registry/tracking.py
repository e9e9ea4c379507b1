"""A run in MLflow for one piece of work: the same run again when the work is resumed, and never a reason to stop it."""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dinov2.registry.client import tracking_uri
from dinov2.registry.delivery import Delivery, unreachable
from dinov2.registry.outbox import Outbox
from dinov2.settings import Settings

FOLDER = Path("var", "tracking")
START_S = 30.0
"""How long work waits for its run before it begins without knowing it."""
FLUSH_S = 120.0
"""How long finished work waits for its last figures to be delivered."""
STOPPED_FLUSH_S = 10.0
"""The same of work that was told to stop, which goes on later: its checkpoint has them too."""


class Run:
    """Figures and pictures of one piece of work; every call returns at once."""

    def __init__(self, outbox: Outbox, delivery: Delivery) -> None:
        """Post through `outbox`, which `delivery` empties."""
        self._outbox, self._delivery = outbox, delivery

    @property
    def run_id(self) -> str | None:
        """MLflow's name of the run; None as long as MLflow has not been reached."""
        return self._delivery.run_id or None

    def log(self, step: int, metrics: dict[str, float]) -> None:
        """Figures of one step, the points of curves."""
        now = _now()
        for key, value in metrics.items():
            self._outbox.post({"kind": "metric", "key": key, "value": float(value), "step": step, "timestamp": now})

    def restore(self, rows: Mapping[int, dict[str, float]]) -> None:
        """Figures of the steps that were done before; what was kept from arriving is sent now."""
        told = [{"step": step, "metrics": metrics} for step, metrics in rows.items()]
        self._outbox.post({"kind": "curve", "rows": told, "timestamp": _now()})

    def summary(self, metrics: dict[str, float]) -> None:
        """Figures of the work as a whole."""
        self.log(0, metrics)

    def picture(self, path: Path) -> None:
        """Keep a file, such as a picture, with the run."""
        self._outbox.post({"kind": "picture", "path": str(path)})


@contextmanager
def tracked(
    settings: Settings, root: Path, name: str, digest: str, params: dict[str, Any], inputs: dict[str, str]
) -> Iterator[Run]:
    """A run for the work that the block does.

    Everything is sent by a thread of its own. A server that is slow or away costs the work nothing: what could not be
    delivered is said at the end, kept in `var/tracking/DIGEST.jsonl`, and sent when the same work is tracked again, or
    by `deliver_kept`.

    Args:
        settings: say where MLflow is.
        root: the workspace, which relative places are taken from.
        name: the run's, for people.
        digest: names the work; work of the same digest is the same run, also after a kill.
        params: parameters of the work; nested ones get dotted names.
        inputs: digests of what it reads, by name.
    """
    opening = {"kind": "open", "name": name, "params": _flat(params), "inputs": inputs}
    delivery = Delivery(settings, root, digest, opening)
    kept = root / FOLDER / f"{digest}.jsonl"
    outbox = Outbox(delivery, unreachable(), kept)
    outbox.post(opening)
    if delivery.opened.wait(START_S):
        _say(f"{name}: MLflow run {delivery.run_id}")
    else:
        _say(f"{tracking_uri(settings, root)} does not answer; going on without it ({outbox.last_failure})")
    status = "FAILED"
    try:
        yield Run(outbox, delivery)
        status = "FINISHED"
    except (KeyboardInterrupt, SystemExit):
        status = "KILLED"
        raise
    finally:
        outbox.post({"kind": "status", "status": status})
        if left := outbox.close(STOPPED_FLUSH_S if status == "KILLED" else FLUSH_S):
            _say(_left(left, outbox, kept))


def deliver_kept(settings: Settings, root: Path) -> None:
    """Send what finished work of the workspace could not; what cannot be sent now either is said, and kept."""
    for kept in sorted((root / FOLDER).glob("*.jsonl")):
        first = json.loads(kept.read_text(encoding="utf-8").partition("\n")[0])
        # What told MLflow of the run, if it arrived, is not among what is left: the run is found by its digest.
        opening = first if first["kind"] == "open" else {"kind": "open", "name": kept.stem, "params": {}, "inputs": {}}
        outbox = Outbox(Delivery(settings, root, kept.stem, opening), unreachable(), kept)
        if left := outbox.close(FLUSH_S):
            _say(_left(left, outbox, kept))
            return
        _say(f"{opening['name']}: sent what had been kept in {kept}")


def _left(left: int, outbox: Outbox, kept: Path) -> str:
    return f"{left} messages could not be delivered ({outbox.last_failure}); they are kept in {kept}"


def _flat(params: dict[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in params.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = str(value)
    return flat


def _now() -> int:
    return round(time.time() * 1000)


def _say(text: str) -> None:
    print(f"tracking: {text}", file=sys.stderr, flush=True)

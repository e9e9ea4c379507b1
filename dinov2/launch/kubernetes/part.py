"""A pod's part of a job: an index that needs nobody, or what all pods do together once they have met."""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from dinov2.errors import EXIT_AGAIN, UnreachableError
from dinov2.launch.failure import Failure
from dinov2.launch.job import INDEX, INDEXES, PATIENCE, PATIENCE_S, RENDEZVOUS, Job
from dinov2.launch.kubernetes.exchange import begin, begun, delivered
from dinov2.launch.together import Ended, run_together
from dinov2.settings import Settings
from dinov2.storage import Store

POLL_S = 2.0
LOOK_S = 120


@dataclass(frozen=True)
class Part:
    """What this pod does of a job.

    Attributes:
        job: in the workspace.
        name: of the Job.
        index: of this pod.
        settings: of this pod.
        root: the workspace.
        store: where files come from and go to.
    """

    job: Job
    name: str
    index: int
    settings: Settings
    root: Path
    store: Store

    @property
    def delivers(self) -> bool:
        """Whether this pod is one that has something to deliver."""
        return self.job.indexes > 1 or self.index == 0


def work(part: Part) -> Ended:
    """Do it."""
    return _alone(part) if part.job.indexes > 1 else _together(part)


def wait_for_delivery(part: Part) -> None:
    """Wait until the first pod has delivered what all have done, or begins again and needs this one.

    An index that has ended well is never started again: the others could not work without it.

    Raises:
        UnreachableError: neither happens for long.
    """
    attempt, deadline = begun(part.name, part.store), time.monotonic() + patience()
    while not delivered(part.name, 0, part.store) and begun(part.name, part.store) == attempt:
        if time.monotonic() > deadline:
            raise UnreachableError(f"{part.name}: pod 0 has not delivered the outputs after {patience():.0f} s")
        time.sleep(POLL_S)


def _alone(part: Part) -> Ended:
    """Do one index of a job of several."""
    told = {INDEX: str(part.index), INDEXES: str(part.job.indexes)}
    return run_together(part.job, (), part.root, _environment(part.settings) | told)


def _together(part: Part) -> Ended:
    """Do what the pods of a job do together, once all are there.

    One may come while the others still end what a pod that was lost has broken: it finds the place where they met, or
    nobody there, and tries again until they have come back.
    """
    if part.index == 0:
        begin(part.name, part.store)
    deadline = time.monotonic() + patience()
    while not delivered(part.name, 0, part.store):
        ended = run_together(part.job, _torchrun(part), part.root, _environment(part.settings))
        met = ended.code != EXIT_AGAIN or ended.failure
        if met or ended.stopped:
            return ended
        if time.monotonic() > deadline:
            why = f"the pods did not come together in {patience():.0f} s (rendezvous_seconds)"
            rank = part.index * part.settings.processes
            return Ended(1, Failure(rank=rank, time=time.time(), code=1, error=why), stopped=False)
        print("the pods did not come together; trying again", file=sys.stderr, flush=True)
        time.sleep(POLL_S)
    return Ended(0, None, stopped=False)


def _torchrun(part: Part) -> tuple[str, ...]:
    """Its options; none when there is but one process."""
    nodes, processes = part.settings.nodes, part.settings.processes
    if nodes == 1:
        return ("--standalone", f"--nproc-per-node={processes}") if processes > 1 else ()
    meeting, most = os.environ[RENDEZVOUS], round(patience())
    host = meeting.rpartition(":")[0]
    # Ranks go by the order of these names, which nothing but the first is ever looked for under.
    own = host if part.index == 0 else f"{host}~{part.index:06}"
    # Others look again now and then, since who they wait for may have delivered and gone.
    read = most if part.index == 0 else min(most, LOOK_S)
    return (
        f"--nnodes={nodes}",
        f"--nproc-per-node={processes}",
        f"--local-addr={own}",
        f"--rdzv-id={part.name}",
        "--rdzv-backend=c10d",
        f"--rdzv-endpoint={meeting}",
        f"--rdzv-conf=is_host={int(part.index == 0)},read_timeout={read},join_timeout={most}",
        "--max-restarts=0",
    )


def patience() -> float:
    """Seconds that pods wait for one another."""
    return float(os.environ.get(PATIENCE, PATIENCE_S))


def _environment(settings: Settings) -> dict[str, str]:
    """Of the processes: what they do is done here, and not launched once more."""
    return {"DINOV2_LAUNCHER": "local", "OMP_NUM_THREADS": str(settings.threads_each)}

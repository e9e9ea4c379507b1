"""What became of the pods of a Job: told when one ends badly, remembered for when the Job does."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from dinov2.errors import EXIT_AGAIN
from dinov2.launch.failure import PREFIX, Failure, failures_in, first
from dinov2.launch.kubernetes.client import Cluster, Manifest, UnreachableError
from dinov2.launch.kubernetes.follow.log import PodLog
from dinov2.launch.kubernetes.follow.pods import (
    EXIT_CODES,
    being_deleted,
    called,
    condition_of,
    disruption,
    exit_code,
    failed_container,
    how_it_ended,
    index_of,
    lifetime,
    phase_of,
)
from dinov2.launch.kubernetes.follow.say import Voice
from dinov2.launch.kubernetes.objects import uid_of
from dinov2.launch.kubernetes.render.task import WORKER

TAIL = 20
"""Lines of a log that are shown when nothing else tells why it ends."""
MOST_LINES = 2000


@dataclass(frozen=True)
class Death:
    """A pod that failed, with what it said of that."""

    pod: Manifest
    failures: tuple[Failure, ...] = ()
    tail: tuple[str, ...] = ()


@dataclass
class Deaths:
    """The pods that have failed so far, in the order in which that was seen.

    Attributes:
        cluster: where they ran.
        voice: what tells of them.
        apart: whether pods need nothing of each other.
        retries: pods of an index that may be replaced, where they are apart.
    """

    cluster: Cluster
    voice: Voice
    apart: bool
    retries: int
    all: list[Death] = field(default_factory=list)
    _known: dict[str, Manifest] = field(default_factory=dict)
    _over: set[str] = field(default_factory=set)

    def look(self, job: Manifest, pods: Sequence[Manifest]) -> None:
        """Tell of pods that have failed, and of those that take their places; while the Job goes on also of those that
        are being deleted or have gone.
        """
        there = {uid_of(pod): pod for pod in pods}
        ended = bool(condition_of(job))
        for uid, pod in self._known.items():
            # Of those apart, the ones that have succeeded are not looked at.
            if uid not in there and phase_of(pod) != "Succeeded" and not (self.apart or ended):
                self._lost(pod, "is gone: deleted, or lost with its node")
        for uid, pod in there.items():
            if uid not in self._known and index_of(pod) in {index_of(self._known[each]) for each in self._over}:
                self._retry(job, index_of(pod))
            self._known[uid] = pod
            if phase_of(pod) == "Failed":
                self._failed(pod)
            elif being_deleted(pod) and not ended:
                self._lost(pod, disruption(pod) or "is being deleted: through the API, or with its node")

    def latest(self) -> list[Death]:
        """Those of the last round: they ended while the one that ended last was alive."""
        if not self.all:
            return []
        began, _ = max((lifetime(death.pod) for death in self.all), key=lambda times: times[1])
        return [death for death in self.all if lifetime(death.pod)[1] >= began]

    def with_exit_code(self, code: int) -> Death | None:
        """The first that ended with that exit code."""
        return next((death for death in self.all if exit_code(death.pod) == code), None)

    def _failed(self, pod: Manifest) -> None:
        if any(uid_of(death.pod) == uid_of(pod) for death in self.all):
            return
        self._lost(pod, how_it_ended(pod))
        death = self._autopsy(pod)
        self.all.append(death)
        whose = f"{'index' if self.apart else 'pod'} {index_of(pod)}"
        if failure := first(death.failures):
            lines = failure.error.splitlines()
            whose = whose if self.apart else f"rank {failure.rank}"
            self.voice.quote(whose, lines[-1:] if failure.lost_contact else lines)
        elif (self.apart or index_of(pod)) and exit_code(pod) not in EXIT_CODES:
            self.voice.quote(whose, death.tail)

    def _autopsy(self, pod: Manifest) -> Death:
        """A failed pod with its log, which may be gone with it."""
        lines: deque[str] = deque(maxlen=MOST_LINES)
        try:
            PodLog(self.cluster, pod["metadata"]["name"], failed_container(pod, WORKER), lines.append).finish()
        except UnreachableError as error:
            self.voice.say(str(error))
        tail = [line for line in lines if not line.startswith(PREFIX)][-TAIL:]
        return Death(pod, tuple(failures_in("\n".join(lines))), tuple(tail))

    def _lost(self, pod: Manifest, how: str) -> None:
        if uid_of(pod) not in self._over:
            self._over.add(uid_of(pod))
            self.voice.say(f"{called(pod)} {how}" if how.startswith("is ") else f"{called(pod)}: {how}")

    def _retry(self, job: Manifest, index: int) -> None:
        who = f"{'index' if self.apart else 'pod'} {index} starts again"
        count = self._counted(job, index)
        most = self.retries if self.apart else job["spec"].get("backoffLimit")
        self.voice.say(f"retry {count} of {most}: {who}" if count else f"{who}; a disruption costs no retry")

    def _counted(self, job: Manifest, index: int) -> int:
        """How many retries there were, as the Job counts them: a server without a policy for failures counts all."""
        spared = "podFailurePolicy" in job["spec"]
        lost = [pod for uid, pod in self._known.items() if uid in self._over and not (spared and costs_nothing(pod))]
        return sum(index_of(pod) == index for pod in lost) if self.apart else len(lost)


def costs_nothing(pod: Manifest) -> bool:
    """Whether the end of a pod costs no retry: `failure_policy` in render says the same."""
    return exit_code(pod) == EXIT_AGAIN or bool(disruption(pod))

"""Following a Job to its end: asking the API server is what counts, since watches and streams stall."""

import os
import time
from dataclasses import dataclass

from dinov2.errors import UserError
from dinov2.launch.failure import PREFIX
from dinov2.launch.kubernetes.client import Cluster, Manifest, UnreachableError
from dinov2.launch.kubernetes.follow.deaths import Deaths
from dinov2.launch.kubernetes.follow.log import PodLog, to_stdout
from dinov2.launch.kubernetes.follow.phase import phase, waiting_for
from dinov2.launch.kubernetes.follow.pods import (
    cannot_start,
    condition_of,
    has_log,
    index_of,
    newest_of_each_index,
    phase_of,
)
from dinov2.launch.kubernetes.follow.say import Voice
from dinov2.launch.kubernetes.follow.verdict import failed, users_mistake
from dinov2.launch.kubernetes.objects import belongs_to, uid_of
from dinov2.launch.kubernetes.removal import delete
from dinov2.launch.kubernetes.render.task import WORKER
from dinov2.launch.local import JobFailedError
from dinov2.progress import CHANNEL, Channel, relay

SHORTEST_S, LONGEST_S = 1.0, 5.0
"""Between two looks: the longer, the longer nothing has changed."""
CALM = 0.02
"""Of the time since the last change, for how long to look away."""


class JobGoneError(JobFailedError):
    """The Job was deleted while it was followed: by somebody, or as long finished."""


@dataclass(frozen=True)
class Manner:
    """How a Job is to be followed.

    Attributes:
        apart: whether its indexes need nothing of each other; then their progress is told, and the logs of those that
            fail. Else the log of index 0 is shown.
        retries: pods of an index that may be replaced.
        start_seconds: patience with a pod that cannot start.
    """

    apart: bool
    retries: int
    start_seconds: float


def follow(cluster: Cluster, name: str, voice: Voice, manner: Manner) -> None:
    """Follow the Job until it is complete.

    Raises:
        UserError: a worker said that its input or parameters are wrong, or a pod cannot start; the Job is deleted.
        JobGoneError: somebody deleted the Job.
        JobFailedError: it failed otherwise.
        UnreachableError: the API server does not answer; the Job goes on.
    """
    with _Follower(cluster, name, voice, manner) as follower:
        while not follower.look():
            follower.rest()


def why_failed(cluster: Cluster, job: Manifest, voice: Voice, manner: Manner) -> Exception:
    """Why a Job failed that nobody followed."""
    deaths = Deaths(cluster, Voice(voice.title, silent=True), manner.apart, manner.retries)
    deaths.look(job, cluster.pods(job["metadata"]["name"]))
    return failed(voice.title, job, deaths, "")


class _Follower:
    def __init__(self, cluster: Cluster, name: str, voice: Voice, manner: Manner) -> None:
        self._cluster, self._name, self._voice, self._manner = cluster, name, voice, manner
        self._deaths = Deaths(cluster, voice, manner.apart, manner.retries)
        self._logs: dict[str, PodLog] = {}
        self._uid = ""
        self._changed = time.monotonic()
        self._stuck_since: dict[str, float] = {}
        self._has_run = False
        self._channel, self._done = Channel(os.environ.get(CHANNEL)), -1

    def __enter__(self) -> "_Follower":
        return self

    def __exit__(self, *_: object) -> None:
        for log in self._logs.values():
            log.stop()

    def look(self) -> bool:
        """Tell what has changed; whether the Job is complete."""
        job = self._cluster.job(self._name)
        if not job or (self._uid and uid_of(job) != self._uid) or "deletionTimestamp" in job["metadata"]:
            raise JobGoneError(f"{self._voice.title}: Job {self._name} was deleted by somebody else")
        self._uid = uid_of(job)
        every = self._cluster.pods(self._name, all_of_them=not self._manner.apart)
        pods = [pod for pod in every if belongs_to(pod, self._uid)]
        ended = condition_of(job)
        self._show_logs(pods, everything=bool(ended))
        self._deaths.look(job, pods)
        if mistake := users_mistake(self._voice.title, self._deaths):
            self._end(mistake, pods)
        if ended.get("type") == "Failed":
            error = failed(self._voice.title, job, self._deaths, self._voice.last)
            if isinstance(error, UserError):
                self._end(error, pods)
            raise error
        if ended:
            count = job["spec"].get("completions", 1)
            self._voice.say(f"complete, {count} of {count} indexes done" if self._manner.apart else "complete")
            return True
        self._tell_phase(job, pods)
        self._tell_progress(job)
        return False

    def rest(self) -> None:
        """Wait until it is time for another look."""
        time.sleep(min(LONGEST_S, max(SHORTEST_S, CALM * (time.monotonic() - self._changed))))

    def _tell_phase(self, job: Manifest, pods: list[Manifest]) -> None:
        asked = waiting_for(job, pods)
        now = phase(job, pods, self._cluster.events(asked) if asked else (), self._manner.apart)
        if now != self._voice.last:
            self._changed = time.monotonic()
        self._voice.say_change(now)
        self._end_if_stuck(pods)

    def _tell_progress(self, job: Manifest) -> None:
        """Of indexes apart; those that work together tell of theirs in the log of index 0."""
        done, total = job.get("status", {}).get("succeeded", 0), job["spec"].get("completions", 1)
        if self._manner.apart and done != self._done:
            self._done = done
            self._channel.tell(f"{self._voice.title}: {done} of {total} indexes done", done, total)

    def _end_if_stuck(self, pods: list[Manifest]) -> None:
        """A pod that cannot start ends a Job of which none ever has; later, what worked once is waited for."""
        self._has_run = self._has_run or any(phase_of(pod) in ("Running", "Succeeded") for pod in pods)
        stuck = {uid_of(pod): why for pod in newest_of_each_index(pods) if (why := cannot_start(pod))}
        self._stuck_since = {uid: self._stuck_since.get(uid, time.monotonic()) for uid in stuck}
        for uid, since in self._stuck_since.items():
            if not self._has_run and time.monotonic() - since >= self._manner.start_seconds:
                waited = f"it could not start for {self._manner.start_seconds:.0f} s (start_seconds)"
                self._end(UserError(f"{self._voice.title}: {waited}: {stuck[uid]}"), pods)

    def _show_logs(self, pods: list[Manifest], everything: bool) -> None:
        """Show the log of index 0, of one pod after the other; to its end where the pod, or the Job, has come to it."""
        if self._manner.apart:
            return
        for pod in pods:
            uid = uid_of(pod)
            if index_of(pod) == 0 and uid not in self._logs and has_log(pod, WORKER):
                self._logs[uid] = PodLog(self._cluster, pod["metadata"]["name"], WORKER, _show)
                self._logs[uid].start()
        running = {uid_of(pod) for pod in pods if phase_of(pod) not in ("Succeeded", "Failed")}
        for uid, log in self._logs.items():
            log.check()
            if everything or uid not in running:
                try:
                    log.finish()
                except UnreachableError as error:  # what the Job comes to matters more
                    self._voice.say(str(error))

    def _end(self, error: Exception, pods: list[Manifest]) -> None:
        """Delete a Job that no other attempt would help, once all is shown that it said."""
        self._show_logs(pods, everything=True)
        delete(self._cluster, self._name, self._uid)
        self._voice.say(f"Job {self._name} is deleted")
        raise error


def _show(line: str) -> None:
    if not line.startswith(PREFIX):
        to_stdout(line)
        relay(line)

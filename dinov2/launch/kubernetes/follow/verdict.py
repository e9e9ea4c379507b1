"""Why a Job failed, as an error: what its own condition says, and the first failing rank's traceback."""

from dinov2.errors import EXIT_USER_ERROR, UserError
from dinov2.launch.failure import first
from dinov2.launch.kubernetes.client import Manifest
from dinov2.launch.kubernetes.follow.deaths import Deaths
from dinov2.launch.kubernetes.follow.pods import called, cannot_start, condition_of, how_it_ended, one_line
from dinov2.launch.local import JobFailedError


def users_mistake(title: str, deaths: Deaths) -> UserError | None:
    """The error of a worker that said that its input or parameters are wrong."""
    if death := deaths.with_exit_code(EXIT_USER_ERROR):
        failure = first(death.failures)
        return UserError(f"{title}: {failure.error if failure and failure.error else 'stopped by the error above'}")
    return None


def failed(title: str, job: Manifest, deaths: Deaths, doing: str) -> Exception:
    """The error that a failed Job comes to.

    Args:
        title: of the job, for people.
        job: with its condition.
        deaths: of its pods.
        doing: what it was last seen doing.
    """
    if mistake := users_mistake(title, deaths):
        return mistake
    last = deaths.latest()
    if last and all(cannot_start(death.pod) for death in last):
        return UserError(f"{title}: {called(last[-1].pod)} {how_it_ended(last[-1].pod)}")
    return JobFailedError("\n".join([f"{title}: {_reason(job, doing)}", *_first_words(deaths)]))


def _reason(job: Manifest, doing: str) -> str:
    condition, status = condition_of(job), job.get("status", {})
    reason = condition.get("reason", "")
    if reason == "DeadlineExceeded":
        at_last = f"; at last: {doing}" if doing else ""
        return f"not done within its deadline of {job['spec'].get('activeDeadlineSeconds')} s{at_last}"
    if indexes := status.get("failedIndexes"):
        return f"indexes {indexes} failed for good"
    if reason == "BackoffLimitExceeded":
        return (
            f"failed for good after {status.get('failed', 0)} failed pods; {job['spec'].get('backoffLimit')} may fail"
        )
    return one_line(f"failed: {reason}: {condition.get('message', '')}")


def _first_words(deaths: Deaths) -> list[str]:
    """What the rank said that failed first in the last round; else how the last pod ended, and the end of its log."""
    last = deaths.latest()
    failures = {failure: death for death in last for failure in death.failures}
    if failure := first(failures):
        return [
            f"first failing rank {failure.rank} ({called(failures[failure].pod)}), code {failure.code}:",
            failure.error,
        ]
    return [f"{called(last[-1].pod)}: {how_it_ended(last[-1].pod)}", *last[-1].tail] if last else []

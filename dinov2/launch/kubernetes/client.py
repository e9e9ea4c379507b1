"""One namespace of a Kubernetes cluster, through the official client.

Objects are plain dictionaries, as manifests are: the client's own classes refuse what servers of another age answer.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from dinov2.launch.kubernetes.refusals import (
    CONFLICT,
    NOT_FOUND,
    PASSING,
    cluster_of_environment,
    means_the_object,
    message,
    one_line,
    passing,
    told,
)
from dinov2.launch.kubernetes.values import Manifest
from dinov2.launch.local import JobFailedError

CONNECT_S, READ_S = 5.0, 30.0
PATIENCE_S = 60.0
"""How long a call is tried again while the API server restarts."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 4.0
CHUNK = 2**16
UNFINISHED = "status.phase!=Succeeded"


class UnreachableError(JobFailedError):
    """The API server did not answer; what runs in the cluster goes on."""


class Cluster:
    """What a launcher does in one namespace: Jobs and Services come and go, pods are looked at.

    Every method raises `UserError` for what the cluster refuses and `UnreachableError` when it does not answer for
    `patience` seconds.
    """

    def __init__(self, namespace: str, patience: float = PATIENCE_S) -> None:
        """The cluster of KUBECONFIG (its current context), else the one that this process runs in."""
        from kubernetes import client

        configuration = cluster_of_environment()
        self.namespace, self.host, self._patience = namespace, configuration.host, patience
        api = client.ApiClient(configuration)
        self._core, self._batch = client.CoreV1Api(api), client.BatchV1Api(api)

    def create(self, manifest: Manifest) -> bool:
        """Create a Job or a Service; False when there is one of that name."""
        creators = {"Job": self._batch.create_namespaced_job, "Service": self._core.create_namespaced_service}
        create = creators[manifest["kind"]]
        return self._ask(lambda **limits: create(self.namespace, manifest, **limits), CONFLICT) is not None

    def job(self, name: str) -> Manifest | None:
        """The Job of that name."""
        return self._ask(lambda **limits: self._batch.read_namespaced_job(name, self.namespace, **limits), NOT_FOUND)

    def jobs(self, labels: str) -> list[Manifest]:
        """The Jobs with these labels: `name=value`."""
        found = self._ask(
            lambda **limits: self._batch.list_namespaced_job(self.namespace, label_selector=labels, **limits)
        )
        return found["items"] if found else []

    def service(self, name: str) -> Manifest | None:
        """The Service of that name."""
        return self._ask(lambda **limits: self._core.read_namespaced_service(name, self.namespace, **limits), NOT_FOUND)

    def pods(self, job: str, all_of_them: bool = True) -> list[Manifest]:
        """The pods of the Job of that name, oldest first; those that have succeeded only if `all_of_them`."""
        chosen = {"label_selector": f"job-name={job}"} | ({} if all_of_them else {"field_selector": UNFINISHED})
        found = self._ask(lambda **limits: self._core.list_namespaced_pod(self.namespace, **chosen, **limits))
        return sorted(found["items"] if found else [], key=_age)

    def events(self, uid: str) -> list[Manifest]:
        """What was said of an object, oldest first."""
        of = f"involvedObject.uid={uid}"
        found = self._ask(
            lambda **limits: self._core.list_namespaced_event(self.namespace, field_selector=of, **limits)
        )
        return sorted(found["items"] if found else [], key=lambda event: event.get("lastTimestamp") or "")

    def delete(self, kind: str, name: str) -> None:
        """Delete a Job, which is gone once its pods are, or a Service; all the same if there is none."""
        deleters = {"Job": self._batch.delete_namespaced_job, "Service": self._core.delete_namespaced_service}
        how = {"propagationPolicy": "Foreground"}
        self._ask(lambda **limits: deleters[kind](name, self.namespace, body=how, **limits), NOT_FOUND)

    def log(self, pod: str, container: str, follow: bool = False, idle: float = READ_S) -> "LogLines":
        """The log of a container from the first line that the node still has; with `follow` as it comes.

        It is empty when the log is gone, or the container has not begun.

        Raises:
            ConnectionError: the API server did not answer, in `idle` seconds or at all.
        """
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        limits = {"_preload_content": False, "_request_timeout": (CONNECT_S, idle)}
        read = self._core.read_namespaced_pod_log
        try:
            return LogLines(read(pod, self.namespace, container=container, follow=follow, **limits))
        except ApiException as error:
            if error.status in PASSING:
                raise ConnectionError(message(error)) from None
            if error.status not in (400, NOT_FOUND):
                raise told(error, self.namespace, self.host) from None
            return LogLines(None)
        except HTTPError as error:
            raise ConnectionError(str(error)) from None

    def _ask(self, call: Callable[..., Any], nothing: int = 0) -> Manifest | None:
        """The answer to a call; None when its status is `nothing` and the object itself is meant."""
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        deadline, wait = time.monotonic() + self._patience, FIRST_WAIT_S
        while True:
            try:
                answer = call(_preload_content=False, _request_timeout=(CONNECT_S, READ_S))
                return json.loads(answer.data)
            except ApiException as error:
                if error.status == nothing and means_the_object(error):
                    return None
                if not passing(error):
                    raise told(error, self.namespace, self.host) from None
                problem = message(error)
            except HTTPError as error:
                problem = str(error)
            if time.monotonic() + wait > deadline:
                raise UnreachableError(f"the Kubernetes API at {self.host} does not answer: {one_line(problem)}")
            time.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT_S)


def _age(pod: Manifest) -> tuple[str, bool, str]:
    """In the order of creation, of which only the second is known: within one a pod that failed was before another."""
    own = pod["metadata"]
    return own["creationTimestamp"], pod.get("status", {}).get("phase") != "Failed", own["name"]


class LogLines:
    """The lines of a log, with their ends: one that is still being written has none yet."""

    def __init__(self, answer: Any) -> None:
        """The lines in an open answer of the API server; none without one."""
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        """The lines.

        Raises:
            ConnectionError: it broke off, or said nothing for as long as the connection may be idle.
        """
        from urllib3.exceptions import HTTPError

        rest = b""
        try:
            for chunk in self._answer.stream(CHUNK) if self._answer else ():
                *whole, rest = (rest + chunk).split(b"\n")
                yield from (line + b"\n" for line in whole)
        except HTTPError as error:
            raise ConnectionError(str(error)) from None
        finally:
            if self._answer:
                self._answer.close()
        if rest:
            yield rest

    def cut(self) -> None:
        """Break it off; whoever waits for its next line gets a `ConnectionError`. Any thread may do so."""
        with contextlib.suppress(ValueError, RuntimeError, OSError):  # it has ended already
            if self._answer:
                self._answer.shutdown()

"""Names of what a job is on the cluster: DNS labels, and the same ones for the same job."""

import hashlib
import re

from dinov2.launch.job import Job
from dinov2.storage import digest

LABEL = 63
"""Characters that a DNS label, and the value of a Kubernetes label, may have."""
LONGEST = LABEL - len("-99999")
"""Of a Job's name: the host name of a pod is that and its index."""
KEY = 12
"""Characters of the key in a name."""
PORTS = range(20_000, 30_000)
"""Where jobs meet: beside the system's own ports, those of Kubernetes' nodes and the short-lived ones."""


def job_name(job: Job) -> str:
    """The name of its Job and Service: its own, as far as DNS can spell it, and its key; 57 characters at most.

    A name that DNS cannot spell as it is goes into the digits: S and s are two jobs.
    """
    assert job.key, f"{job.name}: a job on Kubernetes needs a key"
    slug = re.sub(r"[^a-z0-9]+", "-", job.name.lower()).strip("-")
    slug = slug if slug[:1].isalpha() else f"job-{slug}".strip("-")  # what a Service must begin with
    slug = slug[: LONGEST - KEY - 1].strip("-")
    key = job.key if slug == job.name else digest(job.name, job.key)
    return f"{slug}-{key[:KEY]}"


def host(name: str, index: int = 0) -> str:
    """Where the pods of a Job find the one of this index, through their Service."""
    return f"{name}-{index}.{name}"


def port(name: str) -> int:
    """The port of that pod at which the processes of a Job meet; pods of two Jobs may share a machine's network."""
    return PORTS[int(hashlib.sha256(name.encode()).hexdigest(), 16) % len(PORTS)]


def label(text: str) -> str:
    """`text` as far as the value of a label can spell it."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text)[:LABEL].strip("-_.")

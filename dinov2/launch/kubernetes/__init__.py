"""Jobs on a Kubernetes cluster: `render` makes the manifests, `submit` has them there, `follow` tells what happens."""

from pathlib import Path

from dinov2.launch.claims import claim
from dinov2.launch.job import Job
from dinov2.launch.kubernetes import again
from dinov2.launch.kubernetes.cancel import cancellable
from dinov2.launch.kubernetes.client import Cluster, UnreachableError
from dinov2.launch.kubernetes.config import job_name, load_jobs
from dinov2.launch.kubernetes.environment import pod_environment
from dinov2.launch.kubernetes.exchange import FOLDER, bring_back, code_digest, facts, finished, forget, put
from dinov2.launch.kubernetes.follow import Manner, Voice, follow
from dinov2.launch.kubernetes.followed import following
from dinov2.launch.kubernetes.render import render
from dinov2.launch.kubernetes.submit import submit
from dinov2.launch.local import JobFailedError
from dinov2.launch.taken import note, of_pods
from dinov2.settings import Settings
from dinov2.storage import Store

AWAY_S = 600.0
"""How long the API server may be away while a job is followed."""


def run_on_kubernetes(job: Job, settings: Settings, root: Path) -> None:
    """Run the job on the cluster that k8s/jobs.yaml and KUBECONFIG name, or find it run there, and bring its outputs.

    Raises:
        UserError: the settings, k8s/jobs.yaml, the job's input or the cluster's permissions are wrong.
        JobFailedError: the job failed, was cancelled or deleted, or the cluster cannot be reached.
    """
    config, name, store = load_jobs(root), job_name(job), Store(settings.store, root)
    manifests = render(job, config, pod_environment(settings), code_digest())
    voice = Voice(job.name)
    if finished(job, name, store) and not again.wanted(name, settings, store):
        voice.say(f"Job {name} has run before; its outputs are in the store; DINOV2_RERUN=1 runs it again")
        note(of_pods(job.stage or job.name, name, ()))
        return bring_back(job, name, root, store)

    def prepare() -> None:
        forget(name, store)
        put(job, name, root, store)

    stage = config.of(job.stage or job.name)
    manner = Manner(apart=job.indexes > 1, retries=stage.retries, start_seconds=stage.start_seconds)
    cluster = Cluster(config.namespace)
    claim(store, f"{FOLDER}/{name}", root)  # before the Job is there, or attached to: it is not for others to remove
    with following(name, root), cancellable(cluster, name, voice):
        submit(cluster, manifests, prepare, settings.rerun, voice, manner)
        again.begun(name, settings, store)
        try:
            follow(Cluster(config.namespace, AWAY_S), name, voice, manner)
        except UnreachableError:
            raise
        except JobFailedError:  # a pod may fail after all is done
            if not finished(job, name, store):
                raise
    if not finished(job, name, store):
        raise JobFailedError(f"{job.name}: Job {name} ended well but its outputs are not in the store")
    note(of_pods(job.stage or job.name, name, facts(job, name, store)))
    return bring_back(job, name, root, store)

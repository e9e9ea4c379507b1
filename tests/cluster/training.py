"""A flow that trains on a cluster, to be disturbed."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import fsspec
from mlflow import MlflowClient

from tests.checkouts import environment
from tests.cluster.pretraining import FLOW, pretraining_runs
from tests.remote import Remote


class Training:
    """A flow that brings `pretrain` up to date on the cluster; it and its Job end with the block."""

    def __init__(self, remote: Remote, like: Path, root: Path, store: str) -> None:
        """A copy of the checkout `like`, whose store holds nothing but its images."""
        self.remote, self.root, self._known = remote, root, set[str]()
        shutil.copytree(like, root, ignore=shutil.ignore_patterns("var", "tmp"))
        self.settings = remote.settings(store, DINOV2_CHECKPOINT_SECONDS="10")
        remote.write_jobs(root)
        self._fs().put(str(like / "var/store/shards"), f"{self.settings['DINOV2_STORE']}/", recursive=True)

    def __enter__(self) -> "Training":
        self.remote.kubectl("delete", "jobs", "--all", "--wait=true")
        client = MlflowClient(self.remote.mlflow.url)
        for earlier in pretraining_runs(client):  # the same work is the same run
            client.delete_run(earlier.info.run_id)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.flow.poll() is None:
            os.killpg(self.flow.pid, signal.SIGKILL)
            self.flow.wait()

    def start(self) -> None:
        """Start the flow, for the first time or again."""
        with (self.root / "flow.log").open("ab") as log:
            self.flow = subprocess.Popen(
                [*FLOW, "pretrain"], cwd=self.root, env=environment(**self.settings), stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def wait_for_another_checkpoint(self) -> None:
        """Until one is whole that no earlier call has seen."""
        deadline = time.monotonic() + 300
        fs, folder = self._fs(), f"{self.settings['DINOV2_STORE']}/training"
        while not (new := {each for each in fs.find(folder, refresh=True) if each.endswith(".complete")} - self._known):
            assert self.flow.poll() is None, self._log()
            assert time.monotonic() < deadline, self._log()
            time.sleep(0.5)
        self._known |= new

    def end(self) -> str:
        """Wait until the flow ends well; what it said."""
        assert self.flow.wait(900) == 0, self._log()
        return self._log()

    @property
    def job(self) -> str:
        """Name of the Job; there is but one."""
        (name,) = self.remote.names("jobs")
        return name

    def pod(self, index: int) -> str:
        """Name of the pod of an index."""
        pods = json.loads(self.remote.kubectl("get", "pods", "--output", "json"))["items"]
        names = [each["metadata"] for each in pods if each["status"]["phase"] == "Running"]
        key = "batch.kubernetes.io/job-completion-index"
        return next(str(each["name"]) for each in names if each["annotations"][key] == str(index))

    def _fs(self) -> fsspec.AbstractFileSystem:
        keys = self.settings
        return fsspec.filesystem(
            "s3", key=keys["AWS_ACCESS_KEY_ID"], secret=keys["AWS_SECRET_ACCESS_KEY"],
            endpoint_url=keys["AWS_ENDPOINT_URL"],
        )  # fmt: skip

    def _log(self) -> str:
        return (self.root / "flow.log").read_text()

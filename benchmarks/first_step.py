"""What a cluster adds to a training job: a run of one step as a Job against the same run on this machine, by the clock.

    DINOV2_STORE=s3://bucket/prefix DINOV2_TRACKING=http://mlflow:5000 python -m benchmarks.first_step --times 3

In a workspace whose stages up to `pack` are done, with the cluster that KUBECONFIG names and the store of the settings.
The time runs from the start of `dinov2 pretrain` to its end: inputs put into the store, pods scheduled, processes that
have found each other, one step, weights back in the workspace. Every run has a seed of its own, so that none finds
itself done; both launchers take turns.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

NEEDED = ("params.yaml", "dvc.yaml", "data", "k8s/jobs.yaml")
ONE_STEP = {"epochs": 1, "epoch_length": 1}


def main() -> None:
    """Run both in turn and print medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--processes", default="4", help="of the local run; as many as the Job has in all")
    options = parser.parse_args()
    seconds: dict[str, list[float]] = {"local": [], "kubernetes": []}
    for attempt in range(options.times):
        for launcher, found in seconds.items():
            found.append(_run(launcher, options.processes, seed=time.time_ns() % 2**31))
            print(f"{attempt + 1} of {options.times}: {launcher} {found[-1]:.1f} s", file=sys.stderr, flush=True)
    local, cluster = (statistics.median(seconds[name]) for name in ("local", "kubernetes"))
    print(f"one step: local {local:.1f} s, kubernetes {cluster:.1f} s, ratio {cluster / local:.2f}")


def _run(launcher: str, processes: str, seed: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in NEEDED:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if Path(name).is_dir() else shutil.copy)(name, root / name)
        params: dict[str, Any] = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
        params["seed"] = seed
        params["pretrain"] |= ONE_STEP
        params["pretrain"]["optimiser"] |= {"warmup_epochs": 0, "teacher_temperature_warmup_epochs": 0}
        (root / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
        settings = {"DINOV2_LAUNCHER": launcher, "DINOV2_PROCESSES": processes if launcher == "local" else "1"}
        command = [sys.executable, "-m", "dinov2.cli", "pretrain"]
        started = time.perf_counter()
        subprocess.run(command, cwd=root, env=os.environ | settings, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - started


if __name__ == "__main__":
    main()

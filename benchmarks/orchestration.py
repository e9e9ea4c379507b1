"""What orchestration costs: the flow against bare `dvc repro`, on the sample and on a pipeline that is up to date.

    python -m benchmarks.orchestration [--times 5] [--up-to-date]

Each has a copy of this checkout of its own, with empty stores; both take turns. First both go the whole way, then both
find everything done. The flow's time is that of `python -m flows.pipeline`: Prefect's server is started and stopped
with it, unless PREFECT_API_URL names one, and what was done is recorded.
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

COMMANDS = {
    "dvc repro": [sys.executable, "-m", "dvc", "repro"],
    "the flow": [sys.executable, "-m", "flows.pipeline"],
}
BASELINE = "dvc repro"


def main() -> None:
    """Run both in turn and print medians, difference and ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5, help="runs that find everything done")
    parser.add_argument("--up-to-date", action="store_true", help="the way there is not timed: both copy one result")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        roots = {name: Path(folder) / name.replace(" ", "-") for name in COMMANDS}
        _copy(roots[BASELINE])
        _run([sys.executable, "-m", "dinov2.cli", "scan"], roots[BASELINE])
        if options.up_to_date:
            _run(COMMANDS[BASELINE], roots[BASELINE])
        for name in roots.keys() - {BASELINE}:
            shutil.copytree(roots[BASELINE], roots[name])
        if not options.up_to_date:
            _tell("the sample", {name: [_run(command, roots[name])] for name, command in COMMANDS.items()})
        found: dict[str, list[float]] = {name: [] for name in COMMANDS}
        for _ in range(options.times):
            for name, command in COMMANDS.items():
                found[name].append(_run(command, roots[name]))
        _tell("up to date", found)


def _tell(what: str, seconds: dict[str, list[float]]) -> None:
    middle = {name: statistics.median(each) for name, each in seconds.items()}
    base, flow = middle[BASELINE], middle["the flow"]
    times = ", ".join(f"{name} {each:.1f} s" for name, each in middle.items())
    print(f"{what}: {times}, {flow - base:+.1f} s, ratio {flow / base:.3f}", flush=True)


def _copy(root: Path) -> None:
    """This checkout as a stranger would clone it, with a repository of its own."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, capture_output=True, text=True, check=True).stdout.splitlines():
        if Path(name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(name, root / name)
    identity = ["-c", "user.name=benchmark", "-c", "user.email=benchmark@localhost"]
    for command in (["init", "--quiet"], ["add", "--all"], [*identity, "commit", "--quiet", "--message", "as it was"]):
        subprocess.run(["git", *command], cwd=root, check=True)


def _run(command: list[str], root: Path) -> float:
    """Seconds that a command takes in a checkout; it must end well."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DINOV2_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    started = time.perf_counter()
    with root.with_suffix(".log").open("ab") as log:
        subprocess.run(command, cwd=root, env=environment | {"PATH": path}, stdout=log, stderr=log, check=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()

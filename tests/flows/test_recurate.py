"""Re-curation: what is new is curated, judged, recorded, perhaps trained on; on a schedule, and when announced."""

import json
import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from tests.flows.conftest import REPOSITORY, Workspace, git, wait_for
from tests.flows.serving import Up, up

pytestmark = pytest.mark.slow

CURATION = ("ingest", "embed", "deduplicate", "retrieve", "pack")
KEYS = ("params", "outs", "metrics")
CURATE = f"""
from dinov2.stages import {", ".join(CURATION)}
from dinov2.stages.context import open_workspace
context = open_workspace()
for stage in ({", ".join(CURATION)}):
    stage.run(context)
"""
TRAINING = {
    "cmd": "echo trained >> trained.log && cp data/curated.parquet weights/pretrain.safetensors",
    "deps": ["data/curated.parquet"],
    "outs": ["weights/pretrain.safetensors"],
}
STEPS = """
import json, shutil, sys
from pathlib import Path
from dinov2.errors import UserError
from dinov2.settings import workspace
from flows.recurate import recurate
from flows.servers import ensure_prefect
ensure_prefect(workspace())
for step in map(json.loads, sys.argv[1:]):
    for source, target in step.pop("move", []):
        for file in sorted(Path(source).iterdir())[:50]:
            shutil.move(file, target)
    try:
        recurate(**step)
    except UserError as error:
        print(f"refused {step['name']}: {error}")
"""


def photographs(folder: Path, count: int, bars: bool, seed: int) -> None:
    """Pictures of noise, in squares or in vertical bars, no two alike."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    for number in range(count):
        if bars:
            cells = np.broadcast_to(random.standard_normal((1, 16, 3)), (16, 16, 3))
        else:
            cells = random.standard_normal((8, 8, 3))
        side = 64 // len(cells)
        pixels = np.kron(cells, np.ones((side, side, 1))) * 50 + 128
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{folder.name}-{number:03}.png")


def prepared(workspace: Workspace, stages: dict[str, Any], schedules: dict[str, Any] | None = None) -> None:
    """Have a workspace with these stages and two sources of 60 pictures each, and all of it committed."""
    root = workspace.root
    photographs(root / "photos/pool", 60, bars=False, seed=0)
    photographs(root / "photos/own", 60, bars=False, seed=1)
    params = yaml.safe_load((root / "params.yaml").read_text())
    roles = {"pool": "pool", "own": "curated"}
    params["ingest"]["sources"] = [{"name": n, "uri": f"photos/{n}", "role": role} for n, role in roles.items()]
    workspace.write("params.yaml", yaml.safe_dump(params, sort_keys=False))
    workspace.write("dvc.yaml", yaml.safe_dump({"stages": stages}, sort_keys=False))
    shutil.copy(REPOSITORY / "rules.yaml", root)
    deployments = yaml.safe_load((root / "prefect.yaml").read_text())
    for own in deployments["deployments"]:
        own["schedules"] = (schedules or {}).get(own["name"], [])
    workspace.write("prefect.yaml", yaml.safe_dump(deployments, sort_keys=False))
    workspace.write(".gitignore", "/var/\n/photos/\n/trained.log\n/reports/\n__pycache__/\n")
    for folder in ("data", "metrics", "weights"):
        (root / folder).mkdir()
        workspace.write(f"{folder}/README", "what stages make\n")
    for name in ("sources", "weights"):
        workspace.write(f"data/{name}.json", "{}\n")
    workspace.run("-m", "dvc", "remote", "add", "--quiet", "--default", "local", str(root.parent / "remote"))
    git(root, "add", "--all")
    git(root, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "all")


def curation() -> dict[str, Any]:
    """The real stages of curation, in one process: what they take is the start of each."""
    stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
    real = [stages[name] for name in CURATION]
    merged = {key: sorted({each for stage in real for each in stage.get(key, [])}) for key in KEYS}
    deps = sorted({each for stage in real for each in stage["deps"]} - {*merged["outs"]})
    return {"pack": {"cmd": "python curate.py", "deps": ["curate.py", *deps], **merged}}


def branches(root: Path) -> dict[str, str]:
    """Messages of the last commits of runs that are recorded, by branch."""
    names = git(root, "for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads/runs").split()
    return {name: git(root, "log", "-1", "--format=%B", name) for name in names}


def artifacts(root: Path, key: str) -> list[str]:
    """Contents of the artifacts of a key, oldest first, in the database of the workspace."""
    with sqlite3.connect(root / "var/prefect/prefect.db") as database:
        return [
            str(row[0]) for row in database.execute("select data from artifact where key = ? order by created", (key,))
        ]


def test_only_good_data_are_recorded_and_only_those_that_moved_are_trained_on(workspace: Workspace) -> None:
    workspace.write("curate.py", CURATE)
    prepared(workspace, curation() | {"pretrain": TRAINING})
    root = workspace.root
    away, bars = root.parent / "away", root.parent / "bars"
    away.mkdir()
    photographs(bars, 50, bars=True, seed=2)
    own = str(root / "photos/own")
    steps: list[dict[str, Any]] = [
        {"name": "first", "train": True},
        {"name": "again", "train": True},
        {"name": "moved", "train": True, "announced": "photos/own", "move": [[str(bars), own]]},
        {"name": "shrunk", "train": True, "move": [[str(root / "photos/pool"), str(away)]]},
        {"name": "strange", "announced": "/etc"},
    ]
    code, output = workspace.run("-c", STEPS, *map(json.dumps, steps), DINOV2_THREADS="1")
    assert code == 0, output
    recorded = branches(root)
    assert set(recorded) == {"runs/first", "runs/moved"}, output
    assert all("Flow: recurate" in message and "Trained: yes" in message for message in recorded.values())

    assert "Training: no re-curation was trained on before" in output
    assert "Nothing has changed since runs/first: not recorded again" in output
    assert "No training: Fréchet distance 0," in output
    assert "against runs/first" in output
    assert (root / "var/runs/moved/trained.log").read_text() == "trained\n"
    assert not (root / "var/runs/again/trained.log").exists()

    assert "refused shrunk: rules of data quality are broken (rules.yaml), nothing is recorded:" in output
    assert "shrinkage: source pool: 10 usable images where there were 60, 83.3% less; allowed are 10.0%" in output
    assert (root / "var/runs/shrunk/data/curated.parquet").is_file(), "the clone is left to be looked at"
    assert not (root / "var/runs/shrunk/trained.log").exists()
    assert "refused strange: '/etc': in no source of params.yaml; sources: pool (photos/pool)" in output
    assert not (root / "var/runs/strange").exists()

    pages = artifacts(root, "recuration")
    assert ["the first one" in page for page in pages] == [True, False, False, False]
    assert re.search(r"\| own \| 60 \| 1\d\d \| \d\d \| 0 \|", pages[2])
    assert "83.3% less" in pages[3].replace("\\", "")
    assert len(artifacts(root, "recuration-drift")) == len(artifacts(root, "recuration-changes")) == 3
    assert git(root, "status", "--porcelain") == "", "the workspace itself is as it was"
    assert workspace.processes() == []


FIGURES = {
    "ingest": {"sources": {"pool": {"images": 60, "rejected": 0}, "own": {"images": 60, "rejected": 0}}},
    "deduplicate": {"sources": {n: {"kept": 60, "self": 0, "evaluation": 0} for n in ("pool", "own")}},
    "retrieve": {"sources": {"pool": 60, "own": 60}},
}


def counting() -> dict[str, Any]:
    """Stages that write figures, and take no time."""
    stages: dict[str, Any] = {
        name: {
            "cmd": f"echo '{json.dumps(content)}' > metrics/{name}.json",
            "deps": ["data/sources.json"],
            "metrics": [f"metrics/{name}.json"],
        }
        for name, content in FIGURES.items()
    }
    needed = [f"metrics/{name}.json" for name in FIGURES]
    return stages | {
        "pack": {"cmd": "echo packed > data/shards.parquet", "deps": needed, "outs": ["data/shards.parquet"]}
    }


def scheduled(running: Up, deployment: str) -> list[dict[str, Any]]:
    """Runs of a deployment that its schedule has made and that have ended well."""
    chosen = {
        "deployments": {"name": {"any_": [deployment]}},
        "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}},
    }
    return [run for run in running.ask("/flow_runs/filter", chosen) if run["auto_scheduled"]]


def test_a_schedule_fires_and_an_announcement_starts_a_run(workspace: Workspace) -> None:
    often = {"janitor": [{"interval": 20, "slug": "often", "parameters": {"delete": True, "older_than_days": 3}}]}
    prepared(workspace, counting(), often)
    root = workspace.root
    with up(workspace) as running:
        code, said = workspace.run("-m", "dinov2.cli", "announce", "photos/own/new.png", PREFECT_API_URL=running.api)
        assert code == 0, said
        wait_for(lambda: branches(root), seconds=240)
        (message,) = branches(root).values()
        assert "Flow: recurate" in message
        runs = running.ask("/flow_runs/filter", {"deployments": {"name": {"any_": ["recurate"]}}})
        assert [run["parameters"]["announced"] for run in runs] == ["photos/own/new.png"]
        wait_for(lambda: len(scheduled(running, "janitor")) >= 2, seconds=240)
        run = scheduled(running, "janitor")[0]
        assert run["parameters"] == {"delete": True, "older_than_days": 3}
        (slugs,) = [[each["slug"] for each in running.ask("/deployments/name/janitor/janitor")["schedules"]]]
        assert slugs == ["often"]
        found = running.ask("/artifacts/filter", {"artifacts": {"key": {"any_": ["janitor"]}}})
        assert any("nothing is left over" in each["data"] for each in found)

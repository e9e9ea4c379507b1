"""dvc.yaml against the code: every stage has a command, every file a name."""

import subprocess
import sys
from pathlib import Path

import yaml

from dinov2.stages import MATRIX, STAGES, evaluate, files

ROOT = Path(__file__).parents[2]
GRAPH = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


def written(stage: str) -> set[str]:
    """Outputs of a stage; of a matrix with ITEM for the item."""
    entry = GRAPH[stage]
    outs = [*entry.get("outs", []), *entry.get("metrics", []), *entry.get("plots", [])]
    names = {next(iter(out)) if isinstance(out, dict) else out for out in outs}
    return {name.replace("${item.student}", "ITEM").replace("${item.model}", "ITEM") for name in names}


def read(stage: str) -> set[str]:
    """Dependencies of a stage, likewise."""
    return {name.replace("${item.model}", "ITEM") for name in GRAPH[stage]["deps"]}


def test_every_stage_of_the_graph_is_a_command_and_every_command_a_stage() -> None:
    assert list(GRAPH) == list(STAGES)
    for name, entry in GRAPH.items():
        item = f" ${{item.{MATRIX[name].lower()}}}" if name in MATRIX else ""
        assert entry["cmd"] == f"dinov2 {name}{item}"


def test_the_names_that_stages_use_are_those_of_the_graph() -> None:
    assert written("ingest") == {files.MANIFEST, files.REJECTS, files.metrics("ingest")}
    assert written("embed") == {files.EMBEDDINGS}
    assert written("deduplicate") == {files.UNIQUE, files.DUPLICATES, files.metrics("deduplicate")}
    assert written("retrieve") == {files.CURATED, files.metrics("retrieve")}
    assert written("pack") == {files.PACKED}
    for run in ("pretrain", "highres"):
        assert written(run) == {files.weights(run), files.training(run), files.curve(run), files.metrics(run)}
    assert written("distill") == {files.weights("ITEM"), files.curve("ITEM"), files.metrics("ITEM")}
    assert written("evaluate") == set(evaluate.writes("ITEM"))
    assert read("evaluate") == set(evaluate.reads("ITEM"))
    assert written("register") == {files.receipt("ITEM")}
    assert written("report") == {files.REPORT}


def test_every_preset_has_the_parameters_that_the_graph_names() -> None:
    for path in sorted((ROOT / "presets").glob("*.yaml")):
        preset = yaml.safe_load(path.read_text())
        for key in sorted({key for entry in GRAPH.values() for key in entry.get("params", [])}):
            for student in preset["distill"]["students"]:
                value = preset
                for part in key.replace("${item.student}", student).split("."):
                    assert part in value, f"{path.name}: {key}"
                    value = value[part]


def test_every_command_explains_itself() -> None:
    text = subprocess.run(
        [sys.executable, "-m", "dinov2.cli", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for stage in STAGES:
        assert stage in text

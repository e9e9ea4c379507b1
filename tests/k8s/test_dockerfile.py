import re
import tomllib

import pytest

from dinov2.launch.kubernetes.config import load_jobs
from k8s.check.render import Manifest
from k8s.check.rules import pod_template
from tests.k8s.conftest import ROOT

TEXT = (ROOT / "k8s" / "Dockerfile").read_text(encoding="utf-8")
LINES = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", TEXT)).splitlines()


def stages() -> dict[str, list[str]]:
    """The instructions of each stage of the build, those of the stages that it goes on from included."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in filter(None, LINES):
        if begun := re.fullmatch(r"FROM (\S+) AS (\S+)", line):
            current = found[begun[2]] = list(found.get(begun[1], []))
        else:
            current.append(line)
    return found


@pytest.mark.parametrize("target", ["cpu", "gpu", "curation"])
def test_an_image_runs_as_the_user_that_pods_run_as(target: str) -> None:
    users = [line.split()[1] for line in stages()[target] if line.startswith("USER ")]
    assert users == ["1000:1000"]
    assert load_jobs(ROOT).of("pretrain").run_as_user == 1000


def test_pods_of_our_image_run_as_its_user(rendered: dict[str, list[Manifest]]) -> None:
    for manifest in rendered["prod"]:
        template = pod_template(manifest)
        if template and "dinov2" in template["spec"]["containers"][0]["image"]:
            assert template["spec"]["securityContext"]["runAsUser"] == 1000


def test_the_base_image_is_pinned_by_tag_and_digest() -> None:
    (base,) = re.findall(r"^ARG PYTHON=(\S+)$", TEXT, flags=re.MULTILINE)
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+@sha256:[0-9a-f]{64}", base)
    assert set(re.findall(r"^FROM (\S+) AS", TEXT, flags=re.MULTILINE)) - set(stages()) == {"${PYTHON}"}


def test_every_installation_is_held_to_the_tested_versions() -> None:
    installs = [part for line in LINES for part in line.split("&&") if "pip install" in part]
    assert len(installs) == 6
    assert all("--constraint constraints.txt" in part for part in installs)


def test_what_is_copied_reaches_the_builder_and_nothing_else_does() -> None:
    first, *kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()[1:]
    copied = {
        name for line in LINES if line.startswith("COPY ") and "--from" not in line for name in line.split()[1:-1]
    }
    assert first == "*"
    assert {name.removeprefix("!") for name in kept if name.startswith("!")} == copied
    assert all((ROOT / name).exists() for name in copied)


def test_the_extra_that_it_installs_is_one_of_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (extra,) = re.findall(r"optional-dependencies'\]\['(\w+)'\]", TEXT)
    assert extra in project["optional-dependencies"]

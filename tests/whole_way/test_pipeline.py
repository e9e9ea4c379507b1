"""What the flow leaves, and what it does when there is nothing to do."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pyarrow.parquet as pq
import pytest
import yaml

from tests.absent import absent
from tests.checkouts import Checkout, environment, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]


def test_the_flow_leaves_every_output_and_figures_with_their_controls(walked: Path) -> None:
    stages = yaml.safe_load((walked / "dvc.lock").read_text())["stages"]
    for stage in stages.values():
        for out in stage["outs"]:
            assert (walked / out["path"]).exists(), out["path"]
    found = json.loads((walked / "metrics/evaluate/S.json").read_text())["datasets"]["labelled"]
    for protocol in ("knn", "linear"):
        assert set(found["protocols"][protocol]) == {"model", "random", "pixels"}
    assert json.loads((walked / "registry/S.json").read_text())["name"] == "dinov2-S"
    page = (walked / "reports/index.html").read_text()
    assert "data:image/" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


@pytest.mark.browser
def test_the_page_opens_in_a_browser_without_a_network(walked: Path, tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        absent("chromium", "no chromium on this machine")
    alone = ["--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND"]
    page = (walked / "reports/index.html").as_uri()
    shown = run(tmp_path, chromium, *alone, "--dump-dom", page)
    assert "Numbers against their controls" in shown
    assert "labelled" in shown
    run(tmp_path, chromium, *alone, "--window-size=1280,2000", "--screenshot=page.png", page)
    pixels = cv2.imread(str(tmp_path / "page.png"))
    assert pixels.shape == (2000, 1280, 3)
    assert pixels.std() > 20


def test_no_evaluation_image_and_no_copy_of_one_is_trained_on(walked: Path) -> None:
    store = next((walked / "var/store/sample").iterdir())
    truth = pq.read_table(store / "truth.parquet").to_pylist()
    trained = set(pq.read_table(walked / "data/curated.parquet")["key"].to_pylist())
    leaks = {f"{row['set']}/{row['file']}" for row in truth if (row["duplicate_of"] or "").startswith("labelled/")}
    assert leaks
    assert not leaks & trained
    assert not any(key.startswith("labelled/") for key in trained)


def test_a_second_run_runs_nothing_and_dvc_agrees(walked: Path) -> None:
    before = (walked / "dvc.lock").read_bytes()
    run(walked, "dinov2", "scan")
    said = run(walked, sys.executable, "-m", "flows.pipeline")
    assert said.count("up to date") == len(yaml.safe_load(before)["stages"])
    assert "Data and pipelines are up to date" in run(walked, "dvc", "repro")
    assert (walked / "dvc.lock").read_bytes() == before


def test_a_mistake_in_the_parameters_is_told_before_anything_runs(checkout: Checkout) -> None:
    root = checkout("mistaken")
    text = (root / "params.yaml").read_text()
    (root / "params.yaml").write_text(text.replace("local_count", "lokal_count"))
    for command in (["dinov2", "pretrain"], [sys.executable, "-m", "flows.pipeline"]):
        done = subprocess.run(command, cwd=root, env=environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "pretrain.crops.lokal_count: no such parameter" in done.stderr
        assert "Traceback" not in done.stderr

"""What a person does on the pages of `make up`, in a real browser: start, watch, look at results, approve."""

import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.checkouts import TINY, checkouts, environment
from tests.flows.conftest import Workspace, wait_for
from tests.flows.serving import ENDS, Up, up

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.browser, pytest.mark.timeout(1200)]

CHROMIUM = shutil.which("chromium")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
ONE = {"evaluate": TINY["evaluate"] | {"models": ["S"]}}
MODEL = "dinov2-S"
MINUTE_MS = 60_000


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """`make up` in a checkout in which nothing has run."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    root = checkouts(tmp_path_factory.mktemp("checkouts"), TINY | ONE)("platform")
    for command in (["add", "--all"], ["commit", "--quiet", "--message", "all"]):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *identity, *command], cwd=root, env=environment(), check=True)
    with up(Workspace(root, uuid.uuid4().hex), PATH=environment()["PATH"]) as running:
        yield running


@pytest.fixture
def page() -> Iterator[Page]:
    """A tab of a browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        tab = browser.new_page(viewport={"width": 1360, "height": 1500})
        tab.set_default_timeout(MINUTE_MS)
        yield tab
        browser.close()


def test_a_person_starts_the_pipeline_looks_at_what_came_out_and_promotes_it(served: Up, page: Page) -> None:
    client, prefect = MlflowClient(served.mlflow), served.api.removesuffix("/api")

    open_form(page, prefect, "pipeline")
    page.get_by_role("button", name="Add item").nth(1).click()
    fields = page.get_by_role("textbox")
    fields.nth(1).fill("evaluate.pca_images")
    fields.nth(2).fill("5")
    fields.last.fill("from-the-page")
    picture(page, "form")
    submit(page)
    open_run(page, prefect, "from-the-page")
    expect(state(page)).to_have_text("Running")
    watch(page, served, "COMPLETED", 900)
    expect(state(page)).to_have_text("Completed")
    assert "runs/from-the-page" in branches(served.workspace.root)

    page.get_by_text("Artifacts", exact=True).first.click()
    expect(page.get_by_text("evaluate-s-scores")).to_be_visible()
    picture(page, "run")
    page.get_by_text("evaluate-s-pca").first.click()
    shown = page.locator("img[src^='data:image/png']").first
    expect(shown).to_be_visible()
    assert shown.evaluate("image => image.naturalWidth") > 100
    picture(page, "artifact")

    page.goto(f"{served.mlflow}/#/models/{MODEL}/versions/1")
    expect(page.get_by_text("from-the-page").first).to_be_visible()
    picture(page, "version")
    assert client.get_model_version(MODEL, "1").tags["dinov2.run"] == "from-the-page"

    open_form(page, prefect, "promote")
    submit(page)
    open_run(page, prefect, f"promote-{MODEL}-candidate")
    watch(page, served, "PAUSED", 300)
    expect(state(page)).to_have_text("Suspended")
    page.get_by_role("button", name="Resume").click()
    dialogue = page.get_by_role("dialog")
    expect(dialogue.get_by_text("On the same images")).to_be_visible()
    dialogue.get_by_role("switch").click()
    dialogue.get_by_role("textbox").nth(0).fill("the first that sees")
    dialogue.get_by_role("textbox").nth(1).fill("Ada")
    picture(page, "approval")
    assert MODEL not in champions(client)
    dialogue.get_by_role("button", name="Submit").click()
    expect(state(page)).to_have_text("Completed", timeout=5 * MINUTE_MS)
    assert champions(client)[MODEL] == "1"

    page.goto(f"{served.mlflow}/#/models/{MODEL}")
    expect(page.get_by_text("champion").first).to_be_visible()
    picture(page, "champion")


def open_form(page: Page, prefect: str, deployment: str) -> None:
    """Go to the form of a deployment."""
    page.goto(f"{prefect}/deployments")
    link = page.locator("a[href*='/deployments/deployment/']", has_text=re.compile(f"^{deployment}$")).first
    page.goto(f"{prefect}{link.get_attribute('href')}/run")
    page.get_by_role("button", name="Submit").wait_for()


def submit(page: Page) -> None:
    """Start a run by its form; the page leaves when the server has it."""
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile(r"(?<!/run)$"))


def open_run(page: Page, prefect: str, name: str) -> None:
    """Go to the page of a run, as soon as it has that name."""
    page.goto(f"{prefect}/runs")
    page.locator("a[href*='/runs/flow-run/']", has_text=name).first.click(timeout=3 * MINUTE_MS)


def watch(page: Page, served: Up, wanted: str, seconds: float) -> None:
    """Wait for a run's state elsewhere: without a graphics card its moving picture takes a core."""
    url = page.url
    page.goto("about:blank")
    wait_for(lambda: served.state(url.rpartition("/")[2]) in (wanted, *ENDS), seconds)
    page.goto(url)


def state(page: Page) -> Locator:
    """The state of the run whose page it is."""
    return page.locator(".state-badge").first


def branches(root: Path) -> list[str]:
    """Of a repository."""
    listed = ["git", "branch", "--list", "--format", "%(refname:short)"]
    return subprocess.run(listed, cwd=root, check=True, capture_output=True, text=True).stdout.split()


def champions(client: MlflowClient) -> dict[str, str]:
    """Versions that are champions, by the name of their model."""
    found = client.search_registered_models()
    return {each.name: each.aliases["champion"] for each in found if "champion" in each.aliases}


def picture(page: Page, name: str) -> None:
    """Keep what is seen in the folder DINOV2_PICTURES, if it is set: docs/pictures is made so."""
    if folder := os.environ.get("DINOV2_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png")

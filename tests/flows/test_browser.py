"""What a person does on the pages of `make up`, in a real browser: start, watch, look at results, approve."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient
from playwright.sync_api import FloatRect, Locator, Page, Response, expect, sync_playwright

from dinov2.registry.client import connect
from dinov2.registry.promotion.contenders import CHAMPION
from tests.absent import absent
from tests.flows.backbones import MODEL, register_version, save, with_images
from tests.flows.conftest import REPOSITORY, Workspace, commit, git, wait_for
from tests.flows.serving import ENDS, Up, up

pytestmark = [pytest.mark.slow, pytest.mark.browser]

QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
MINUTE_MS = 60_000
WIDTH, HEIGHT = 1360, 1500
BESIDE = 1010
"""Of MLflow's pages, what they show beside its assistant."""
expect.set_options(timeout=MINUTE_MS)

DISTILL = {
    "matrix": {"student": ["S"]},
    "cmd": "while ! test -e {go_on}; do sleep 0.1; done; mkdir -p weights plots; cp given.safetensors "
    "weights/S.safetensors; cp given.csv plots/S.csv",
    "deps": ["given.safetensors", "given.csv"],
    "outs": ["weights/S.safetensors"],
    "plots": [{"plots/S.csv": {"x": "iteration", "y": "loss"}}],
}
"""Training, but for the training; it waits to be let go on."""


@pytest.fixture
def page() -> Iterator[Page]:
    """A tab of a browser."""
    if (chromium := shutil.which("chromium") or shutil.which("google-chrome")) is None:
        absent("chromium", "no chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        tab.set_default_timeout(MINUTE_MS)
        yield tab
        browser.close()


@pytest.fixture
def served(workspace: Workspace, page: Page) -> Iterator[Up]:  # noqa: ARG001  servers are not started without a browser
    """`make up` in a workspace whose stages are quick, and evaluate and register for real; its champion is blind."""
    root = workspace.root
    commit(workspace)
    context = with_images(workspace)
    register_version(context, seed=0, sees=False)
    connect(context.settings, root).set_registered_model_alias(MODEL, CHAMPION, "1")
    for folder in ("metrics", "plots", "registry", "reports", "weights"):
        shutil.rmtree(root / folder)
    save(root / "given.safetensors", seed=1, sees=True)
    workspace.write("given.csv", "iteration,loss\n" + "".join(f"{n},{8 * 0.99**n:.3f}\n" for n in range(200)))
    stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
    distill = DISTILL | {"cmd": str(DISTILL["cmd"]).format(go_on=root / "go_on")}
    chosen = {"distill": distill, "evaluate": stages["evaluate"], "register": stages["register"]}
    workspace.write("dvc.yaml", yaml.safe_dump({"stages": chosen}, sort_keys=False))
    git(root, "add", "--all")
    git(root, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "real ones")
    with up(workspace, DINOV2_DEVICE="cpu", DINOV2_THREADS="1") as running:
        yield running


def test_a_person_starts_the_pipeline_looks_at_what_came_out_and_promotes_it(served: Up, page: Page) -> None:
    client, prefect, root = MlflowClient(served.mlflow), served.api.removesuffix("/api"), served.workspace.root

    open_form(page, prefect, "pipeline", "Preset")
    page.get_by_role("button", name="Add item").nth(1).click()
    fields = page.get_by_role("textbox")
    fields.nth(1).fill("evaluate.pca_images")
    fields.nth(2).fill("5")
    fields.last.fill("from-the-page")
    picture(page, "form")
    submit(page)
    open_run(page, served, "from-the-page")
    expect(state(page)).to_have_text("Running")
    leave_until(page, served, "COMPLETED", then=(root / "go_on").touch)
    expect(state(page)).to_have_text("Completed")
    assert "pca_images: 5" in git(root, "show", "runs/from-the-page:params.yaml")

    page.get_by_text("Artifacts", exact=True).first.click()
    expect(page.get_by_text("evaluate-s-scores")).to_be_visible()
    picture(page, "run", height=1200)
    page.get_by_text("evaluate-s-scores").first.click()
    expect(page.get_by_role("cell").get_by_text("photos", exact=True).first).to_be_visible()
    page.go_back()
    page.get_by_text("Artifacts", exact=True).first.click()
    page.get_by_text("evaluate-s-pca").first.click()
    shown = page.locator("img[src^='data:image/']").first
    expect(shown).to_be_visible()
    assert shown.evaluate("image => image.naturalWidth") > 100
    picture(page, "artifact", height=800)

    page.goto(f"{served.mlflow}/#/models/{MODEL}/versions/2")
    expect(page.get_by_text("from-the-page").first).to_be_visible()
    picture(page, "version", BESIDE, 1000)
    assert client.get_model_version(MODEL, "2").tags["dinov2.run"] == "from-the-page"

    open_form(page, prefect, "promote", "Registered model")
    submit(page)
    open_run(page, served, f"promote-{MODEL}-candidate")
    leave_until(page, served, "PAUSED")
    expect(state(page)).to_have_text("Suspended")
    page.get_by_role("button", name="Resume").click()
    dialogue = page.get_by_role("dialog")
    expect(dialogue.get_by_text("On the same images")).to_be_visible()
    dialogue.get_by_role("switch").click()
    dialogue.get_by_role("textbox").nth(0).fill("it sees")
    dialogue.get_by_role("textbox").nth(1).fill("Ada")
    picture(page, "approval")
    assert aliases(client)["champion"] == "1"
    press(page, dialogue.get_by_role("button", name="Submit"), "resume")
    dialogue.wait_for(state="hidden")
    leave_until(page, served, "COMPLETED")
    expect(state(page)).to_have_text("Completed")
    assert aliases(client) == {"champion": "2", "previous_champion": "1", "candidate": "2"}

    page.goto(f"{served.mlflow}/#/models/{MODEL}")
    expect(page.get_by_text("previous_champion").first).to_be_visible()
    picture(page, "champion", BESIDE, 800)


def open_form(page: Page, prefect: str, deployment: str, field: str) -> None:
    """Go to the form of a deployment, and wait for a field of it."""
    page.goto(f"{prefect}/deployments")
    link = page.locator("a[href*='/deployments/deployment/']", has_text=re.compile(f"^{deployment}$")).first
    page.goto(f"{prefect}{link.get_attribute('href')}/run")
    page.get_by_text(field).first.wait_for()


def submit(page: Page) -> None:
    """Start a run by its form; then the page leaves."""
    press(page, page.get_by_role("button", name="Submit"), "create_flow_run")
    expect(page).not_to_have_url(re.compile("/run$"))


def press(page: Page, button: Locator, called: str) -> None:
    """Press a button that has the server check a form and act, again while that is busy, as SQLite is for moments."""

    def answers(response: Response) -> bool:
        return response.url.endswith(f"/{called}") or (response.url.endswith("/schemas/validate") and not response.ok)

    status = 503
    while status == 503:
        with page.expect_response(answers) as answered:
            button.click()
        status = answered.value.status
    assert answered.value.ok, answered.value.text()


def open_run(page: Page, served: Up, name: str) -> None:
    """Go to the page of a run, as soon as it has that name, by which the list of runs has a link to it."""
    page.goto("about:blank")
    wait_for(lambda: served.ask("/flow_runs/filter", {"flow_runs": {"name": {"any_": [name]}}}), seconds=60)
    page.goto(f"{served.api.removesuffix('/api')}/runs")
    page.locator("a[href*='/runs/flow-run/']", has_text=name).first.click()
    expect(page).to_have_url(re.compile("/flow-run/"))


def leave_until(page: Page, served: Up, wanted: str, then: Callable[[], object] = lambda: None) -> None:
    """Wait elsewhere for a run's state: without a graphics card its moving picture takes a core."""
    url = page.url
    page.goto("about:blank")
    then()
    wait_for(lambda: served.state(url.rpartition("/")[2].partition("?")[0]) in (wanted, *ENDS), seconds=180)
    page.goto(url)


def state(page: Page) -> Locator:
    """The state of the run whose page it is."""
    return page.locator(".state-badge").first


def aliases(client: MlflowClient) -> dict[str, str]:
    """The model's aliases, and the versions that they point to."""
    return {alias: str(version) for alias, version in client.get_registered_model(MODEL).aliases.items()}


def picture(page: Page, name: str, width: int = WIDTH, height: int = HEIGHT) -> None:
    """Keep what is seen in the folder DINOV2_PICTURES, if it is set: docs/pictures is made so."""
    if folder := os.environ.get("DINOV2_PICTURES"):
        page.wait_for_timeout(3000)  # the graph of a run is drawn when all else is there
        part: FloatRect = {"x": 0, "y": 0, "width": width, "height": height}
        page.screenshot(path=Path(folder) / f"{name}.png", clip=part)

"""The pages of stages that went well hold the numbers of their files, where more is, and what they took."""

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from prefect.client.schemas.actions import ArtifactCreate

from dinov2.runs.cost import Cost
from dinov2.settings import Settings
from flows.artifacts.completed import completed
from flows.artifacts.ended import Ended, clock
from tests.flows.artifacts.conftest import SCORES, TEST, write

NOTHING = Cost()
RUN = "0123456789abcdef0123456789abcdef"
SAID = ["Running stage 'evaluate@S':", f"tracking: evaluate S: MLflow run {RUN}"]


def artifacts(
    root: Path, stage: str, cost: Cost = NOTHING, said: str = "last", **settings: Any
) -> dict[str, ArtifactCreate]:
    found = completed(Ended(root, stage, "ran", 75.0, cost, [*SAID, said], Settings(**settings)))
    return {str(artifact.key): artifact for artifact in found}


def rows(artifact: ArtifactCreate) -> list[dict[str, Any]]:
    assert artifact.type == "table"
    return list(json.loads(str(artifact.data)))


def test_scores_come_with_their_intervals_as_a_table_of_their_own(made: Path) -> None:
    found = artifacts(made, "evaluate@S")
    assert set(found) == {"evaluate-s", "evaluate-s-scores", "evaluate-s-pca"}
    scores = rows(found["evaluate-s-scores"])
    assert [(row["protocol"], row["features"], row["accuracy %"]) for row in scores] == [
        (protocol, kind, round(100 * right / TEST, 1))
        for protocol, each in SCORES.items()
        for kind, right in each.items()
    ]
    assert all(row["low %"] < row["accuracy %"] < row["high %"] for row in scores)
    assert "| labelled | linear | model | 33.9 |" in str(found["evaluate-s"].data)


def test_every_metric_on_other_sets_has_its_unit(made: Path) -> None:
    path = made / "metrics/evaluate/S.json"
    numbers = {"rooms": {"depth": {"rmse": {"value": 0.4, "low": 0.3, "high": 0.5, "random": 0.9}}}}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"numbers": numbers}))
    found = artifacts(made, "evaluate@S")
    assert rows(found["evaluate-s-sets"]) == [
        {"set": "rooms", "protocol": "depth", "metric": "rmse", "value": "0.400 m", "low": "0.300 m", "high": "0.500 m",
         "random": "0.900 m", "pixels": ""}
    ]  # fmt: skip
    assert "numbers." not in str(found["evaluate-s"].data)


def test_a_stage_says_what_it_took_and_where_more_is(made: Path) -> None:
    cost = Cost(1.25)
    page = str(
        artifacts(made, "evaluate@S", cost, mlflow_url="http://mlflow:5000/", gpu_hour_price=2.0)["evaluate-s"].data
    )
    assert page.startswith("# evaluate@S: ran\n")
    assert "| time | GPU-hours | cost |\n| --- | --- | --- |\n| 0:01:15 | 1.25 | 2.50 |" in page
    assert f"- MLflow run [evaluate S](http://mlflow:5000/#/runs/{RUN})\n" in page
    assert page.endswith(f"- Whole log: `{made}/var/logs/evaluate@S.log`")


def test_without_a_price_there_is_no_cost_and_without_pages_of_mlflow_no_link(made: Path) -> None:
    page = str(artifacts(made, "evaluate@S", Cost(0.0, whole=False))["evaluate-s"].data)
    assert "| time | GPU-hours |\n| --- | --- |\n| 0:01:15 | not known |" in page
    assert f"- MLflow run evaluate S: `{RUN}`" in page
    assert "](" not in page


def test_sources_have_their_shares_of_rejects(made: Path) -> None:
    found = artifacts(made, "ingest")
    pool, empty = rows(found["ingest-sources"])
    assert (pool["source"], pool["images"], pool["rejected"], pool["rejected %"]) == ("pool", 1386, 14, 1.0)
    assert empty["rejected %"] == 0.0
    assert rows(found["ingest-rejects"]) == [{"reason": "empty", "files": 2}, {"reason": "truncated", "files": 12}]
    page = str(found["ingest"].data)
    assert "| images | 1,386 |" in page
    assert "rejects.empty" not in page
    assert "| a\\|b | 0 |" in page


def test_copies_and_training_images_have_their_shares(made: Path) -> None:
    pool, none = rows(artifacts(made, "deduplicate")["deduplicate-sources"])
    assert (pool["images"], pool["copies %"], pool["of those %"]) == (
        1400,
        round(14400 / 1400, 2),
        round(2400 / 1400, 2),
    )
    assert (none["images"], none["copies %"]) == (0, 0.0)
    shares = {row["source"]: row["of all %"] for row in rows(artifacts(made, "retrieve")["retrieve-sources"])}
    assert shares == {"pool": 75.0, "curated": 25.0}


def test_a_training_shows_its_last_figures_and_its_loss(made: Path) -> None:
    found = artifacts(made, "distill@S")
    assert set(found) == {"distill-s", "distill-s-loss"}
    assert "| last.loss | 6.497 |\n| last.iteration | 250 |" in str(found["distill-s"].data)
    assert picture(found["distill-s-loss"]).format == "PNG"


def test_a_sheet_of_pictures_is_made_small_enough_for_a_page(made: Path) -> None:
    sheet = artifacts(made, "evaluate@S")["evaluate-s-pca"]
    shown = picture(sheet)
    assert (shown.format, shown.size) == ("JPEG", (1200, 300))
    assert len(str(sheet.data)) < (made / "reports/pca/S.png").stat().st_size / 4


def test_a_registered_model_has_a_link(made: Path) -> None:
    page = str(artifacts(made, "register@S", tracking="http://mlflow:5000")["register-s"].data)
    assert "- Registered model [dinov2-S](http://mlflow:5000/#/models/dinov2-S)\n" in page
    assert "architecture" not in page
    said = "dinov2-S version 7, alias candidate"
    page = str(artifacts(made, "register@S", said=said, tracking="http://mlflow:5000")["register-s"].data)
    assert "- Registered model [dinov2-S 7](http://mlflow:5000/#/models/dinov2-S/versions/7)\n" in page


@pytest.mark.parametrize("stage", ["pack", "report", "embed", "evaluate@B"])
def test_a_stage_without_figures_has_a_page_all_the_same(made: Path, stage: str) -> None:
    (artifact,) = artifacts(made, stage).values()
    assert artifact.type == "markdown"
    assert "Numbers" not in str(artifact.data)


def test_a_page_of_many_sources_has_the_first_and_its_table_all(made: Path) -> None:
    write(made / "metrics/retrieve.json", {"images": 99, "sources": {f"source {n}": 1 for n in range(99)}})
    found = artifacts(made, "retrieve")
    assert len(rows(found["retrieve-sources"])) == 99
    page = str(found["retrieve"].data)
    assert "source 39 " in page
    assert "source 40 " not in page
    assert "… and 59 more" in page


def test_the_clock_is_read_by_people() -> None:
    assert [clock(seconds) for seconds in (0.04, 59.9, 59.99, 61, 3723.4, 360000)] == [
        "0.0 s", "59.9 s", "0:01:00", "0:01:01", "1:02:03", "100:00:00",
    ]  # fmt: skip


def picture(artifact: ArtifactCreate) -> Image.Image:
    found = re.fullmatch(r"!\[[^\]]*\]\(data:image/(png|jpeg);base64,([A-Za-z0-9+/=]+)\)", str(artifact.data))
    assert found, str(artifact.data)[:200]
    return Image.open(io.BytesIO(base64.b64decode(found[2])))

"""A registry whose versions have numbers and nothing behind them, and comparisons of them."""

import itertools
from dataclasses import dataclass
from pathlib import Path

import pytest

from dinov2.evaluation.figure import Figure
from dinov2.registry.client import connect, experiment_id
from dinov2.registry.promotion.case import Case, open_case
from dinov2.registry.promotion.comparison import Comparison, Contender
from dinov2.registry.promotion.config import PromotionConfig
from dinov2.registry.promotion.contenders import aliases
from dinov2.settings import Settings

NAME = "birds.knn.accuracy"


@dataclass(frozen=True)
class Registry:
    """A registered model of versions 1 to 4 in a real MLflow."""

    model: str
    settings: Settings
    root: Path

    def aliases(self) -> dict[str, str]:
        return aliases(self.model, self.settings, self.root)

    def tags(self, version: str) -> list[str]:
        """What was decided about a version, in order."""
        found = connect(self.settings, self.root).get_model_version(self.model, version).tags
        return [found[key] for key in sorted(found) if key.startswith("dinov2.decision.")]

    def case(self, candidate: str, champion: str | None, gain: float = 0.1, key: str = "") -> Case:
        """A case of a candidate that gains so much."""
        pair = {"champion": 0.5, "gain": gain, "low": gain - 0.05, "high": gain + 0.05, "p": 0.01} if champion else {}
        figure = Figure(name=NAME, images=100, candidate=0.5 + gain, **pair)
        contenders = [each and self._contender(each) for each in (candidate, champion)]
        comparison = Comparison(candidate=contenders[0], champion=contenders[1], figures=(figure,))
        key = key or f"{candidate}-{champion}-{next(_numbers)}"
        return open_case(key, comparison, PromotionConfig(), self.settings, self.root)

    def _contender(self, version: str) -> Contender:
        return Contender(
            model=self.model, version=version, weights_sha256="w", manifest_sha256="m", run="r", figures=(NAME,)
        )


_numbers = itertools.count()


@pytest.fixture(scope="session")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Path]:
    """An MLflow that tests share."""
    root = tmp_path_factory.mktemp("registry")
    connect(Settings(), root)
    return Settings(), root


@pytest.fixture
def registry(tracked: tuple[Settings, Path]) -> Registry:
    """A registered model of four versions, none of which has an alias."""
    settings, root = tracked
    client = connect(settings, root)
    model = f"model-{next(_numbers)}"
    client.create_registered_model(model)
    run = client.create_run(experiment_id(client, settings, root))
    client.log_metric(run.info.run_id, NAME, 0.5)
    for _ in range(4):
        client.create_model_version(model, f"{run.info.artifact_uri}/model", run.info.run_id)
    return Registry(model, settings, root)

"""What a one-off evaluation is asked for, and what it found."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from dinov2.evaluation.backbones import Backbone
from dinov2.evaluation.config import EvaluateConfig
from dinov2.evaluation.measured import Measured
from dinov2.evaluation.pictures import Picture
from dinov2.evaluation.report import ModelReport
from dinov2.evaluation.versus import Versus

SEED = 0


@dataclass(frozen=True)
class Asked:
    """What a command asks for.

    Attributes:
        model: see `open_backbone`, or models:/NAME/VERSION or models:/NAME@ALIAS.
        datasets: folders of sets; of several with classes of images the mean is told too.
        protocols: names, perhaps several joined by commas; each set is judged by those that fit it, by all that are
            usual where none is given.
        layout: of the folders; None finds it out for each.
        config: a YAML file with parameters as params.yaml has them under `evaluate`; None is the published ones.
        against: another model, which is compared on the same images; likewise named.
        report: an HTML file to write with all of it and pictures.
    """

    model: str
    datasets: Sequence[str]
    protocols: Sequence[str] = ()
    layout: str | None = None
    config: str | None = None
    against: str | None = None
    report: str | None = None


@dataclass
class Told:
    """What was found, set after set.

    Attributes:
        ours: of the model and its controls; last, of several sets with classes of images, their mean.
        versus: of the model against another, if there is one, likewise.
        pictures: of all sets.
        sets: a sentence about each.
    """

    ours: list[Measured] = field(default_factory=list)
    versus: list[Versus] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    sets: dict[str, str] = field(default_factory=dict)

    def report(self, asked: Asked, model: Backbone) -> ModelReport:
        """As a page has it."""
        facts = {"embedding": f"{model.embed_dim} numbers", "patch": f"{model.patch_size} pixels"}
        facts |= {"depth": f"{model.depth} blocks"}
        rows = [row for each in self.ours for row in each.rows(SEED)]
        other = asked.against or ""
        return ModelReport(asked.model, facts, rows, self.sets, {}, self.pictures, other, self.versus)

    def document(
        self, asked: Asked, model: Backbone, other: Backbone | None, config: EvaluateConfig
    ) -> dict[str, object]:
        """As JSON has it."""
        found: dict[str, object] = {
            "model": asked.model,
            "digest": model.digest,
            "architecture": self.ours[0].architecture,
            "seed": SEED,
            "config": config.model_dump(mode="json", exclude={"models", "datasets", "sets"}),
            "sets": self.sets,
            "rows": [asdict(row) for each in self.ours for row in each.rows(SEED)],
            "seconds": {each.dataset: each.seconds for each in self.ours},
        }
        if other is None:
            return found
        compared = {"model": asked.against, "digest": other.digest, "rows": [asdict(row) for row in self.versus]}
        return found | {"against": compared}

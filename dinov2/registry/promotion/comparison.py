"""What was measured of a candidate and a champion, as it is kept."""

from pydantic import BaseModel, ConfigDict

from dinov2.evaluation.figure import Figure


class Contender(BaseModel):
    """A version of a registered model.

    Attributes:
        model: name of the registered model.
        version: its number, as MLflow writes it.
        weights_sha256: of its weights.
        manifest_sha256: of the manifest that it was evaluated on when it was registered.
        run: the recorded run that made it; empty where none is recorded.
        commit: that run's, or the workspace's when it was registered.
        figures: names of the metrics that it was registered with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    version: str
    weights_sha256: str
    manifest_sha256: str
    run: str = ""
    commit: str = ""
    figures: tuple[str, ...] = ()

    @property
    def uri(self) -> str:
        """models:/NAME/VERSION."""
        return f"models:/{self.model}/{self.version}"


class Comparison(BaseModel):
    """A candidate, the champion that it is compared with, if there is one, and their figures on the same images."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    candidate: Contender
    champion: Contender | None
    figures: tuple[Figure, ...]

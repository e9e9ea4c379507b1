"""How neighbours are searched for."""

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from dinov2.config import Config


class SearchConfig(Config):
    """By which index, in how much memory and how truly; what is null is chosen by size."""

    index: Literal["auto", "flat", "ivf_flat", "ivf_pq"] = Field(
        "auto", description="flat looks at every vector; the others look into the lists nearest to a query"
    )
    memory_gib: float = Field(4.0, gt=0, description="of the whole process, Python and libraries included")
    exact_below: int = Field(100_000, ge=0, description="with auto, up to so many vectors are searched exactly")
    recall: float = Field(0.98, gt=0, lt=1, description="share of the 4 nearest that an index is to find")
    lists: PositiveInt | None = Field(None, description="cells that the vectors are put into, by nearest centroid")
    probes: PositiveInt | None = Field(None, description="lists looked into for a query; null: measured for `recall`")
    parts: PositiveInt | None = Field(None, description="equal parts of the vectors, searched one after another")
    pq_bytes: PositiveInt | None = Field(None, description="ivf_pq: size of a vector's code")
    rerank: PositiveInt | None = Field(None, description="ivf_pq: candidates compared exactly; null: measured")

    @model_validator(mode="after")
    def _probes_are_among_the_lists(self) -> "SearchConfig":
        if self.lists is not None and self.probes is not None and self.probes > self.lists:
            raise ValueError(f"probes: {self.probes}: more than the {self.lists} lists")
        return self

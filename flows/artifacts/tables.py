"""Tables of what stages did: sources with their rejects, copies, scores with their intervals."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dinov2.evaluation import printed

Rows = list[dict[str, Any]]
BESIDE = ("value", "low", "high", "random", "pixels")


@dataclass(frozen=True)
class Table:
    """Rows of one kind.

    Attributes:
        name: of its artifact, behind the stage's.
        description: for people.
        rows: columns by name, the same in every row.
        covers: the key of the stage's content that it shows.
    """

    name: str
    description: str
    rows: Rows
    covers: str


def tables(stage: str, content: Mapping[str, Any]) -> list[Table]:
    """The tables of a stage.

    Args:
        stage: as `dvc repro` takes it.
        content: what it says of its work.
    """
    make = TABLES.get(stage.partition("@")[0])
    return [table for table in make(content) if table.rows] if make and content else []


def _ingest(content: Mapping[str, Any]) -> list[Table]:
    sources = [
        {
            "source": name,
            "images": each["images"],
            "rejected": each["rejected"],
            "rejected %": _percent(each["rejected"], each["images"] + each["rejected"]),
            "train": each["train"],
            "test": each["test"],
            "labelled": each["labelled"],
            "bytes": each["bytes"],
        }
        for name, each in content["sources"].items()
    ]
    rejects = [{"reason": reason, "files": count} for reason, count in content["rejects"].items()]
    return [
        Table("sources", "Images of each source, and files that are none that can be used", sources, "sources"),
        Table("rejects", "Files that were rejected, by reason", rejects, "rejects"),
    ]


def _deduplicate(content: Mapping[str, Any]) -> list[Table]:
    rows = []
    for name, each in content["sources"].items():
        images = each["kept"] + each["self"] + each["evaluation"]
        rows.append(
            {
                "source": name,
                "images": images,
                "kept": each["kept"],
                "copies": each["self"],
                "copies %": _percent(each["self"], images),
                "copies of evaluation images": each["evaluation"],
                "of those %": _percent(each["evaluation"], images),
            }
        )
    return [Table("sources", "Copies among the training images of each source", rows, "sources")]


def _retrieve(content: Mapping[str, Any]) -> list[Table]:
    total = content["images"]
    rows = [
        {"source": name, "images": count, "of all %": _percent(count, total)}
        for name, count in content["sources"].items()
    ]
    return [Table("sources", "Training images from each source", rows, "sources")]


def _evaluate(content: Mapping[str, Any]) -> list[Table]:
    rows = [
        {
            "set": name,
            "protocol": protocol,
            "features": kind,
            **{f"{figure} %": _hundred(score.get(figure)) for figure in ("accuracy", "low", "high")},
        }
        for name, facts in content["datasets"].items()
        for protocol, scores in facts["protocols"].items()
        for kind, score in scores.items()
    ]
    others = [
        {
            "set": name,
            "protocol": protocol,
            "metric": metric,
            **{each: printed.value(metric, numbers[each]) if each in numbers else "" for each in BESIDE},
        }
        for name, protocols in content.get("numbers", {}).items()
        for protocol, metrics in protocols.items()
        for metric, numbers in metrics.items()
    ]
    return [
        Table("scores", "Accuracy with its 95% interval, beside random weights and raw pixels", rows, "datasets"),
        Table("sets", "Every metric on other sets, with its 95% interval, beside the same", others, "numbers"),
    ]


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0


def _hundred(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)


TABLES: dict[str, Callable[[Mapping[str, Any]], list[Table]]] = {
    "ingest": _ingest,
    "deduplicate": _deduplicate,
    "retrieve": _retrieve,
    "evaluate": _evaluate,
}

"""A run's dvc.lock: which stages there were, what each read and wrote, and which needed which."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml

from dinov2.errors import DataError

LOCK = "dvc.lock"


@dataclass(frozen=True)
class File:
    """A file or folder as DVC noted it; `md5` is empty where DVC knows it by something else, as by an entity tag."""

    path: str
    md5: str


@dataclass(frozen=True)
class Done:
    """A stage that was done.

    Attributes:
        name: `ingest`, `distill@S`.
        command: what was run.
        params: of params.yaml, by dotted key.
        reads: its dependencies.
        writes: its outputs.
    """

    name: str
    command: str
    params: dict[str, Any]
    reads: tuple[File, ...]
    writes: tuple[File, ...]


class Lock:
    """The stages in a dvc.lock.

    Attributes:
        stages: by name, in the order of the file.
    """

    def __init__(self, content: bytes, origin: str) -> None:
        """Read the bytes of the file; `origin` says where they are from.

        Raises:
            DataError: they are no dvc.lock.
        """
        try:
            stages = yaml.safe_load(content).get("stages") or {}
            self.stages = {name: _stage(name, entry) for name, entry in stages.items()}
        except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"{origin}: no dvc.lock of DVC 3: {error!r}") from None

    def maker(self, path: str) -> Done | None:
        """The stage that writes a file, or the folder that it is in."""
        return next((stage for stage in self.stages.values() for out in stage.writes if _within(path, out.path)), None)

    def makers(self, stage: Done) -> list[Done]:
        """The stages that write what a stage reads, each once."""
        found = (self._into(file.path) for file in stage.reads)
        return list({other.name: other for others in found for other in others}.values())

    def upstream(self, stage: Done) -> list[Done]:
        """A stage and all that it needs, each after those that it reads from."""
        found: dict[str, Done] = {}

        def visit(each: Done) -> None:
            for other in self.makers(each):
                if other.name not in found:
                    visit(other)
            found[each.name] = each

        visit(stage)
        return list(found.values())

    def _into(self, path: str) -> Iterator[Done]:
        """The stages that write a file, or files in a folder."""
        if maker := self.maker(path):
            yield maker
            return
        for stage in self.stages.values():
            if any(_within(out.path, path) for out in stage.writes):
                yield stage


def _stage(name: str, entry: dict[str, Any]) -> Done:
    params = {key: value for file in (entry.get("params") or {}).values() for key, value in file.items()}
    reads, writes = (
        tuple(File(each["path"], each.get("md5", "")) for each in entry.get(kind) or []) for kind in ("deps", "outs")
    )
    return Done(name, entry["cmd"], params, reads, writes)


def _within(path: str, folder: str) -> bool:
    return PurePosixPath(path).is_relative_to(folder)

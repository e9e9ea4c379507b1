"""One checkpoint: written and read by all ranks together, and whether its files are still what was written."""

import functools
import hashlib
import json
from collections.abc import Iterable
from typing import Any

import torch.distributed.checkpoint as dcp
from pydantic import BaseModel, TypeAdapter, ValidationError
from torch.distributed.checkpoint.api import CheckpointException

from dinov2.errors import DataError, UnreachableError, UserError
from dinov2.storage import Store, retried
from dinov2.training.checkpoints.ranks import Ranks, in_one_line, waited_in_vain
from dinov2.training.checkpoints.storage import Reader, Writer

EXTRA, INDEX = "extra.json", ".metadata"


class Checksum(BaseModel):
    """What a file held when it was written.

    Attributes:
        sha256: of its bytes, in hexadecimal.
        size: in bytes.
    """

    sha256: str
    size: int


CHECKSUMS = TypeAdapter(dict[str, Checksum])
"""Checksums of a checkpoint's files by their names, as its marker holds them."""


def write(store: Store, folder: str, state: dict[str, Any], extra: bytes, ranks: Ranks) -> dict[str, Checksum]:
    """Write the files of a checkpoint, `extra` among them.

    Returns:
        On every rank, their checksums: each rank has read its own back.

    Raises:
        UserError, CheckpointException: a rank could not; all raise.
    """
    index = dcp.save(state, storage_writer=Writer(store, folder), process_group=ranks.group)
    ranks.first(lambda: store.write(f"{folder}/{EXTRA}", extra))
    own = {info.relative_path for info in (index.storage_data or {}).values()}
    own = {path for path in own if path.startswith(f"__{ranks.rank}_")} | ({INDEX, EXTRA} if ranks.rank == 0 else set())
    files: dict[str, Checksum] = {}
    for part in ranks.every(lambda: checksums(store, folder, own)):
        files |= part
    return files


def read(store: Store, folder: str, state: dict[str, Any], ranks: Ranks) -> dict[str, Any]:
    """Load a checkpoint into `state`, in place.

    Returns:
        On every rank, its `extra`.

    Raises:
        DataError: it does not fit `state`, or cannot be read after all.
        UnreachableError: the store stays away.
    """
    try:
        dcp.load(state, storage_reader=Reader(store, folder), process_group=ranks.group)
    except CheckpointException as error:
        told = UnreachableError if waited_in_vain(error) else DataError
        raise told(f"{store.url_of(folder)}: cannot be loaded: {in_one_line(error)}") from error
    return ranks.first(lambda: json.loads(store.read(f"{folder}/{EXTRA}")))


def damage(store: Store, folder: str, marker: str, ranks: Ranks) -> str | None:
    """What is wrong with a checkpoint: the file and what; None if nothing. The ranks share its files."""
    found = ranks.every(lambda: _damage(store, folder, marker, ranks.rank, ranks.world))
    return next(filter(None, found), None)


def _damage(store: Store, folder: str, marker: str, part: int, parts: int) -> str | None:
    checked = marker
    try:
        listed = CHECKSUMS.validate_json(store.read(marker))
        for name in sorted(listed)[part::parts]:
            checked, meant = f"{folder}/{name}", listed[name]
            found = checksums(store, folder, [name])[name]
            if found.size != meant.size:
                return f"{checked}: {found.size} bytes where {meant.size} were written"
            if found != meant:
                return f"{checked}: its checksum differs"
    except FileNotFoundError:
        return f"{checked}: missing"
    except ValidationError:
        return f"{checked}: not a list of checksums"
    except (UnreachableError, UserError, PermissionError):
        raise  # the checkpoint may be whole, and the one before it is no nearer
    except Exception as error:  # whatever keeps this one from being read, the one before it may be whole
        return f"{checked}: unreadable ({in_one_line(error)})"
    return None


def checksums(store: Store, folder: str, names: Iterable[str]) -> dict[str, Checksum]:
    """The checksums of files of `folder`, as the store has them.

    Raises:
        FileNotFoundError: one is not there.
    """

    def read_one(name: str) -> Checksum:
        with store.fs.open(store.path(f"{folder}/{name}"), "rb") as file:
            return Checksum(sha256=hashlib.file_digest(file, "sha256").hexdigest(), size=file.tell())

    return {name: retried(functools.partial(read_one, name), store.url_of(f"{folder}/{name}")) for name in names}

"""What a job on a cluster reads and writes, by way of the store.

jobs/blobs/SHA256           the content of a file; the same one for all jobs that have it
jobs/NAME/job.json          what to run, which files it reads, and which it will write
jobs/NAME/again             whom it was run again for, see `dinov2.launch.kubernetes.again`
jobs/NAME/begun             when the first of those that work together began, as another text each time
jobs/NAME/claims/OWNER      of each workspace that has it run, see `dinov2.launch.claims`
jobs/NAME/done/INDEX.json   written last by an index, by the first of those that work together: what it wrote
"""

import hashlib
import uuid
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ValidationError

import dinov2
from dinov2.errors import DataError
from dinov2.launch.job import Job
from dinov2.launch.kubernetes.blobs import blob, bring, relative, send
from dinov2.storage import Store, file_sha256

T = TypeVar("T", bound=BaseModel)
FOLDER = "jobs"
ALWAYS = ("params.yaml", "dvc.yaml")
"""Files of a workspace that every job needs."""


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError("leads out of the workspace")
    return name


Name = Annotated[str, AfterValidator(_inside)]
"""A file, relative to the workspace."""


class Spec(BaseModel):
    """A job as the store holds it, with the SHA-256 of each file that it reads; what else there is `Job` has too."""

    name: str
    module: str
    arguments: tuple[str, ...]
    inputs: dict[Name, str]
    outputs: tuple[Name, ...]
    indexes: int
    stage: str
    key: str


class Done(BaseModel):
    """What an index of a job leaves.

    Attributes:
        outputs: SHA-256 of each file that it wrote.
        facts: of how it ran.
    """

    outputs: dict[Name, str]
    facts: dict[str, Any]


def put(job: Job, name: str, root: Path, store: Store) -> None:
    """Put what a job needs into the store; files that are there already are not sent again.

    Raises:
        ConfigError: an input is not in the workspace.
    """
    paths = dict.fromkeys((*(root / each for each in ALWAYS), *job.inputs))
    files = {
        "inputs": send(paths, root, store),
        "outputs": tuple(relative(path, root) for path in job.outputs),
    }
    store.write(f"{FOLDER}/{name}/job.json", Spec(**vars(job) | files).model_dump_json().encode())


def fetch(name: str, root: Path, store: Store) -> Job:
    """Make the workspace of a job in `root`, every file as it was put.

    Raises:
        DataError: a file is not there, or damaged.
    """
    spec = _read(Spec, f"{FOLDER}/{name}/job.json", store)
    if spec is None:
        url = store.url_of(f"{FOLDER}/{name}/job.json")
        raise DataError(f"{url}: not there; is this the store of who launched it?")
    bring(spec.inputs, root, store)
    paths = {part: tuple(root / path for path in getattr(spec, part)) for part in ("inputs", "outputs")}
    return Job(**vars(spec) | paths)


def deliver(job: Job, name: str, index: int, root: Path, store: Store, facts: dict[str, Any]) -> None:
    """Put what an index of a job has written into the store, and note that it has.

    Raises:
        FileNotFoundError: it has not written an output.
    """
    outputs = send(job.outputs, root, store)
    store.write(_done(name, index), Done(outputs=outputs, facts=facts).model_dump_json().encode())


def delivered(name: str, index: int, store: Store) -> bool:
    """Whether an index has left all."""
    return store.exists(_done(name, index))


def finished(job: Job, name: str, store: Store) -> bool:
    """Whether the store has all that a job writes."""
    if {_done(name, index) for index in range(job.indexes)} - set(store.list(f"{FOLDER}/{name}/done")):
        return False
    return not job.outputs or all(store.exists(blob(sha256)) for sha256 in _outputs(job, name, store).values())


def facts(job: Job, name: str, store: Store) -> list[dict[str, Any]]:
    """Of how the indexes of a finished job ran, as `deliver` was told."""
    done = (_read(Done, _done(name, index), store) for index in range(job.indexes))
    return [each.facts for each in done if each]


def bring_back(job: Job, name: str, root: Path, store: Store) -> None:
    """Put what a finished job wrote into the workspace: all files as they were written, or none.

    Raises:
        DataError: a file is not there, damaged, or none of the job's outputs.
    """
    if not job.outputs:
        return
    outputs = _outputs(job, name, store)
    wanted = {relative(path, root) for path in job.outputs}
    if wrong := wanted ^ set(outputs):
        said = "did not leave" if min(wrong) in wanted else "was not to write"
        raise DataError(f"{store.url_of(f'{FOLDER}/{name}/done')}: the job {said} {min(wrong)}")
    bring(outputs, root, store)


def forget(name: str, store: Store) -> None:
    """Have a job count as not run. What its pods read stays: another caller may be starting it just now."""
    store.delete(f"{FOLDER}/{name}/done")


def begin(name: str, store: Store) -> None:
    """Note that the first of those that work together begins, so that the others know when it begins again."""
    store.write(_begun(name), uuid.uuid4().hex.encode())


def begun(name: str, store: Store) -> str:
    """Another text after each `begin`; empty before the first."""
    try:
        return store.read(_begun(name)).decode()
    except FileNotFoundError:
        return ""


def code_digest() -> str:
    """Names the code that jobs run: 16 hexadecimal digits."""
    base, found = Path(dinov2.__file__).parent, hashlib.sha256()
    for path in sorted(path for path in base.rglob("*") if path.suffix in (".py", ".jinja")):
        found.update(f"{path.relative_to(base)} {file_sha256(path)}\n".encode())
    return found.hexdigest()[:16]


def _read(kind: type[T], name: str, store: Store) -> T | None:
    try:
        return kind.model_validate_json(store.read(name))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise DataError(f"{store.url_of(name)}: damaged: {error.errors()[0]['msg']}") from None


def _outputs(job: Job, name: str, store: Store) -> dict[str, str]:
    """SHA-256 of what the indexes have written."""
    found: dict[str, str] = {}
    for index in range(job.indexes):
        done = _read(Done, _done(name, index), store)
        found |= done.outputs if done else {}
    return found


def _done(name: str, index: int) -> str:
    return f"{FOLDER}/{name}/done/{index}.json"


def _begun(name: str) -> str:
    return f"{FOLDER}/{name}/begun"

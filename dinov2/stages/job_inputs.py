"""What a job is given of the workspace, and what names it."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from dinov2.stages import files
from dinov2.stages.context import Context
from dinov2.stages.given import MODELS
from dinov2.storage import digest, file_sha256


def inputs_of(context: Context, stage: str, names: Iterable[str]) -> tuple[Path, ...]:
    """Files of the workspace that a stage's job reads: those of these names, and what params.yaml gives to the stage.

    Raises:
        ConfigError: a file that an earlier stage makes, or that params.yaml names, is not there.
    """
    given = {key: name for key, name in context.params.given.items() if key.startswith(f"{stage}.")}
    noted = [context.path(name) for name in (files.SOURCES, files.GIVEN) if context.path(name).is_file()]
    named = [context.given(key, name) for key, name in given.items() if not name.startswith(MODELS)]
    return tuple(dict.fromkeys([*map(context.made, names), *noted, *named]))


def key_of(context: Context, *parts: str) -> str:
    """Names the job that does this in a store: of others in the same cluster its results would not be here."""
    checkpoints = [context.checkpoints.url] if context.settings.checkpoints else []
    return digest("job", context.store.url, *checkpoints, parts)


def key_by_inputs(context: Context, inputs: Sequence[Path], *parts: str) -> str:
    """As `key_of`, where nothing but parameters and inputs says what is done."""
    found = {str(path.relative_to(context.root)): file_sha256(path) for path in inputs}
    return key_of(context, *parts, digest(context.params.model_dump(mode="json", by_alias=True), found))

"""A backbone and its controls on a task."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from dinov2.errors import ConfigError, DataError
from dinov2.evaluation.backbones import Backbone
from dinov2.evaluation.measured import MODEL, PIXELS, RANDOM, Measured
from dinov2.evaluation.published import architecture
from dinov2.evaluation.tasks import TASKS, Clock, Judged, Setting


def measure(
    task: Judged,
    model: Backbone,
    asked: Sequence[str],
    setting: Setting,
    controls: Mapping[str, Backbone] | None = None,
) -> Measured:
    """Judge a model, then what it must beat, by the same protocols on the same images.

    Args:
        task: the set.
        model: frozen.
        asked: names of protocols; none is all that are usual for the task.
        setting: how.
        controls: by name; None is those of `controls_of`.

    Raises:
        ConfigError: a protocol does not fit the task; names those that do.
        DataError: an image or its truth cannot be used.
    """
    names = protocols_of(task, asked)
    answers, seconds = {}, {}
    for who, backbone in _everyone(task, model, setting, controls).items():
        own = replace(setting, clock=Clock(), watchers=setting.watchers if who == MODEL else {})
        try:
            answers[who] = TASKS[type(task)].measure(task, backbone, names, own)
        except DataError as error:
            raise DataError(str(error) if task.name in str(error) else f"{task.name}: {error}") from None
        seconds[who] = own.clock.seconds
    return Measured(task.name, answers, seconds, architecture(model))


def fill(
    task: Judged,
    model: Backbone,
    asked: Sequence[str],
    setting: Setting,
    rank: int,
    world: int,
    controls: Mapping[str, Backbone] | None = None,
) -> None:
    """The share of one of `world` processes in the features that `measure` of the same arguments then finds made.

    Args:
        task: see `measure`, as the others.
        model: likewise.
        asked: likewise.
        setting: likewise.
        rank: of this process, from 0.
        world: how many there are.
        controls: likewise.
    """
    names, kind = protocols_of(task, asked), TASKS[type(task)]
    for backbone in _everyone(task, model, setting, controls).values():
        requests = kind.requests(task, backbone, names, setting.config)
        setting.extractor.fill(backbone, list(requests.values()), rank, world)


def protocols_of(task: Judged, asked: Sequence[str]) -> tuple[str, ...]:
    """The protocols asked for, each once, or those that are usual.

    Raises:
        ConfigError: one does not fit the task.
    """
    kind = TASKS[type(task)]
    fitting = kind.fitting(task)
    if strange := [name for name in asked if name not in fitting]:
        what = f"{task.name}, a set of {type(task).__name__.lower()}"
        raise ConfigError(f"protocol {strange[0]!r}: not for {what}; allowed: {', '.join(fitting)}")
    return tuple(dict.fromkeys(asked)) or kind.usual(task)


def controls_of(task: Judged, model: Backbone, setting: Setting) -> dict[str, Backbone]:
    """What a model must beat: its own architecture with random weights, and pixels where that makes sense."""
    # Not the seed itself, which a model of random weights has.
    pixels, twin = TASKS[type(task)].pixels, model.twin(setting.seed + 1)
    found: dict[str, Backbone] = {RANDOM: twin} if twin else {}
    return found | ({PIXELS: pixels(model.patch_size, setting.device)} if pixels else {})


def _everyone(
    task: Judged, model: Backbone, setting: Setting, controls: Mapping[str, Backbone] | None
) -> dict[str, Backbone]:
    return {MODEL: model, **(controls_of(task, model, setting) if controls is None else controls)}

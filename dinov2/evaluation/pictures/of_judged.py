"""The pictures of any set that was judged: which kind of pictures a kind of task has."""

from collections.abc import Mapping, Sequence

from dinov2.evaluation.backbones import Backbone
from dinov2.evaluation.measure import protocols_of
from dinov2.evaluation.pictures.of_tasks import collector, of_classes, of_pixels, of_retrieval
from dinov2.evaluation.pictures.picture import Picture
from dinov2.evaluation.pictures.predictions import Collector
from dinov2.evaluation.report import wording
from dinov2.evaluation.sets.task import Classification, Copies, Dense, Depth, Retrieval
from dinov2.evaluation.tasks import Judged, Setting
from dinov2.evaluation.tasks.problem import Problem, of_folder


def watchers(task: Judged, asked: Sequence[str]) -> dict[str, Collector]:
    """What has to see the predictions of each protocol while a task is measured, for `pictures` to show some.

    Args:
        task: the set.
        asked: as `measure` takes them; none is all that are usual.
    """
    return {name: collector(task) for name in protocols_of(task, asked)} if isinstance(task, Dense | Depth) else {}


def pictures(
    task: Judged, backbones: Mapping[str, Backbone], setting: Setting, seen: Mapping[str, Mapping[str, Collector]]
) -> list[Picture]:
    """What there is to look at; nothing of clips, nor of tests that share only labels with the training images.

    Args:
        task: the set.
        backbones: by the name that captions give them: the model, then what it stands beside.
        setting: that they were measured in: features are then in the store already.
        seen: by such a name the `watchers` of a model, which have seen.
    """
    if isinstance(task, Retrieval | Copies):
        return of_retrieval(task, backbones, setting)
    if isinstance(task, Dense | Depth):
        alone = len(seen) == 1
        predicted = {
            wording.protocol(protocol) + ("" if alone else f", {name}"): each
            for name, by_protocol in seen.items()
            for protocol, each in by_protocol.items()
        }
        return of_pixels(task, predicted)
    problem = of_folder(task) if isinstance(task, Classification) else task
    if not isinstance(problem, Problem) or not problem.ordinary:
        return []
    return of_classes(problem, problem.classes, backbones, setting)

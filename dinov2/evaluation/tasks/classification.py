"""Classes of images: nearest neighbours, linear and logistic probes, few-shot, robustness."""

from collections.abc import Sequence

from dinov2.evaluation.backbones import Backbone, ImagePixels
from dinov2.evaluation.config import EvaluateConfig
from dinov2.evaluation.features import Request, Square, last_blocks
from dinov2.evaluation.protocols.answer import Answer
from dinov2.evaluation.sets.task import Classification
from dinov2.evaluation.tasks.judge import CORRUPTED, CORRUPTIONS, ROBUSTNESS, TRAIN, Judge
from dinov2.evaluation.tasks.kind import FEATURES, Kind, Setting, check_resolution
from dinov2.evaluation.tasks.problem import Problem, of_folder

LEARNS = ("knn", "linear", "logistic", "fewshot")
"""Protocols that are asked about images of the kind that they learn from."""


def fitting(problem: Problem) -> tuple[str, ...]:
    """See `Kind`."""
    usual = (*LEARNS, CORRUPTIONS) if problem.ordinary else ()
    return (*usual, ROBUSTNESS) if problem.others else usual


def usual(problem: Problem) -> tuple[str, ...]:
    """All but the built-in corruptions, which look at every test image 45 times."""
    return tuple(name for name in fitting(problem) if name != CORRUPTIONS)


def requests(problem: Problem, backbone: Backbone, asked: Sequence[str], config: EvaluateConfig) -> dict[str, Request]:
    """Features of the training images, and by name of the tests that are asked about."""
    check_resolution(backbone, config.resolution, "evaluate.resolution")
    blocks, view = last_blocks(backbone.depth), Square(config.resolution)
    tests = [problem.ordinary] if problem.ordinary and {*LEARNS, CORRUPTIONS} & {*asked} else []
    tests += problem.others if ROBUSTNESS in asked else ()
    found = {TRAIN: Request(f"{problem.name} train", problem.train.items, view, blocks)}
    found |= {name: Request(f"{problem.name} {name}", problem.tests[name].items, view, blocks) for name in tests}
    if CORRUPTIONS in asked and problem.ordinary:
        items = problem.tests[problem.ordinary].items
        for corruption in config.robustness.corruptions:
            for severity in config.robustness.severities:
                seen, name = Square(config.resolution, (corruption, severity)), f"{corruption}/{severity}"
                found[CORRUPTED + name] = Request(f"{problem.name} {name}", items, seen, blocks)
    return found


def measure(problem: Problem, backbone: Backbone, asked: Sequence[str], setting: Setting) -> dict[str, Answer]:
    """See `Kind`."""
    with setting.clock(FEATURES):
        found = {
            name: setting.extractor.images(backbone, request)
            for name, request in requests(problem, backbone, asked, setting.config).items()
        }
    judge, answers = Judge(problem, found, setting), {}
    for name in asked:
        with setting.clock(name):
            answers[name] = judge.protocols[name]()
    return answers


LABELLED: Kind[Problem] = Kind(fitting=fitting, usual=usual, requests=requests, measure=measure, pixels=ImagePixels)
CLASSIFICATION: Kind[Classification] = Kind(
    fitting=lambda task: fitting(of_folder(task)),
    usual=lambda task: usual(of_folder(task)),
    requests=lambda task, *rest: requests(of_folder(task), *rest),
    measure=lambda task, *rest: measure(of_folder(task), *rest),
    pixels=ImagePixels,
)

"""The pictures of a set: what each kind of task has to look at."""

from collections.abc import Mapping, Sequence

import numpy as np

from dinov2.evaluation.backbones import Backbone
from dinov2.evaluation.features import Item, folder_images
from dinov2.evaluation.pictures.album import album
from dinov2.evaluation.pictures.embedding_map import FEWEST, map_picture, plane
from dinov2.evaluation.pictures.galleries import spread
from dinov2.evaluation.pictures.neighbours import nearest_picture
from dinov2.evaluation.pictures.photographs import centres, pixels_of
from dinov2.evaluation.pictures.picture import Picture, beside, of_set
from dinov2.evaluation.pictures.predictions import Collector, depth_picture, segmentation_picture
from dinov2.evaluation.sets.depth.maps import read_judged
from dinov2.evaluation.sets.pixels import read_pixels
from dinov2.evaluation.sets.segmentation.masks import read_mask
from dinov2.evaluation.sets.task import Copies, Dense, Depth, Retrieval
from dinov2.evaluation.tasks import Setting, classification, retrieval
from dinov2.evaluation.tasks.problem import Problem

QUERIES, IN_A_ROW, MAPPED, THUMBNAILS = 6, 4, 1000, 80
"""Queries of a gallery, images in a row of others, images on a map and photographs among them."""


def of_classes(
    problem: Problem, classes: Sequence[str], backbones: Mapping[str, Backbone], setting: Setting
) -> list[Picture]:
    """Features of four test images, two of each of two classes; the nearest training images of some; a map of all.

    Args:
        problem: one that has an ordinary test.
        classes: names of its classes.
        backbones: by the name that captions give them: the model, then what it stands beside.
        setting: that they were measured in: features are then in the store already.
    """
    assert problem.ordinary, "pictures are of test images"
    train, test = problem.train, problem.tests[problem.ordinary]
    order = np.argsort(test.labels_n, kind="stable")
    chosen = order[spread(len(order), QUERIES)].tolist()
    mapped = order[spread(len(order), MAPPED)]
    shown = {place: pixels_of(test.items[mapped[place]]) for place in _shuffled(len(mapped), THUMBNAILS, setting.seed)}
    galleries, maps = {}, {}
    for name, backbone in backbones.items():
        wanted = classification.requests(problem, backbone, ("knn",), setting.config)
        ours, theirs = (
            setting.extractor.images(backbone, wanted[part]).last_nd
            for part in (problem.ordinary, classification.TRAIN)
        )
        galleries[name] = nearest_picture(
            test.items, ours, train.items, theirs, chosen,
            lambda query, found: train.labels_n[found] == test.labels_n[query], setting.device,
        )  # fmt: skip
        if len(mapped) >= FEWEST:
            maps[name] = map_picture(plane(ours[mapped], setting.seed), test.labels_n[mapped], classes, shown)
    four = [test.items[number] for number in pairs(test.labels_n)]
    pictures = of_set(problem.name, of_photographs(four, backbones, setting))
    return [*pictures, *of_set(problem.name, [beside(each) for each in (galleries, maps) if each])]


def of_photographs(items: Sequence[Item], backbones: Mapping[str, Backbone], setting: Setting) -> list[Picture]:
    """The pictures of `album`, of a few images."""
    side = setting.config.pca_resolution
    images = centres((pixels_of(item, side) for item in items), side)
    return album(backbones, images, [(first, first + 1) for first in range(0, len(items) - 1, 2)])


def pairs(labels_n: np.ndarray) -> list[int]:
    """Numbers of two images of each of two classes, the first and the last that have two; of any if none has."""
    numbers = [np.flatnonzero(labels_n == label)[:2].tolist() for label in np.unique(labels_n)]
    twice = [each for each in numbers if len(each) == 2]
    return [number for place in spread(len(twice), 2) for number in twice[place]] or spread(len(labels_n), IN_A_ROW)


def of_retrieval(task: Retrieval | Copies, backbones: Mapping[str, Backbone], setting: Setting) -> list[Picture]:
    """The images of the database that are nearest to some queries, of those that have any to find."""
    if isinstance(task, Copies):
        true = {query: task.truth[task.truth[:, 0] == query, 1] for query in np.unique(task.truth[:, 0]).tolist()}
    else:
        positives = next(iter(task.levels.values())).positives
        true = {query: each for query, each in enumerate(positives) if len(each)}
    asked = sorted(true)
    chosen = [asked[place] for place in spread(len(asked), QUERIES)]
    queries, database = folder_images(task.queries), folder_images(task.database)
    found = {}
    for name, backbone in backbones.items():
        wanted = retrieval.requests(task, backbone, (), setting.config)
        ours, theirs = (
            setting.extractor.images(backbone, wanted[part]).last_nd for part in (retrieval.QUERIES, retrieval.DATABASE)
        )
        found[name] = nearest_picture(
            queries, ours, database, theirs, chosen, lambda query, index: np.isin(index, true[query]), setting.device
        )
    return of_set(task.name, [beside(found)])


def collector(task: Dense | Depth) -> Collector:
    """A watcher that keeps what the pictures of a task need."""
    return Collector(spread(len(task.test), IN_A_ROW))


def of_pixels(task: Dense | Depth, predicted: Mapping[str, Collector]) -> list[Picture]:
    """Predictions of some test images beside the truth.

    Args:
        task: the set.
        predicted: by the name that captions give a model or a protocol, what its `collector` kept.
    """
    chosen = [task.test[number] for number in next(iter(predicted.values())).numbers]
    images = [read_pixels(pair.image) for pair in chosen]
    if isinstance(task, Dense):
        masks = [read_mask(task, pair) for pair in chosen]
        drawn = {
            name: segmentation_picture(images, masks, each.all(), task.classes) for name, each in predicted.items()
        }
    else:
        metres = [read_judged(task, pair) for pair in chosen]
        drawn = {name: depth_picture(images, metres, each.all()) for name, each in predicted.items()}
    return of_set(task.name, [beside(drawn)])


def _shuffled(count: int, most: int, seed: int) -> list[int]:
    """Some numbers below `count`; in an order of classes, the first ones would take the room of the others."""
    return np.random.default_rng(seed).permutation(count)[:most].tolist()

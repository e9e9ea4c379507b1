"""Semantic segmentation: a linear layer on frozen patches, judged by mean intersection over union."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from dinov2.errors import DataError
from dinov2.evaluation.metrics.segmentation import class_counts, segmentation
from dinov2.evaluation.protocols.answer import Answer
from dinov2.evaluation.protocols.dense import DenseSource, Truths, View, Watcher
from dinov2.evaluation.protocols.dense.source import held_out, remembered, seen_together
from dinov2.evaluation.protocols.segmentation.config import SegmentationConfig
from dinov2.evaluation.protocols.segmentation.heads import Heads
from dinov2.evaluation.protocols.segmentation.predict import predict
from dinov2.evaluation.protocols.segmentation.train import train_heads
from dinov2.evaluation.sets.task import IGNORE
from dinov2.evaluation.statistics import value_of
from dinov2.progress import progress


@dataclass(frozen=True)
class Segmentation:
    """Linear segmentation (DINOv2, section 7.4), on features computed once: training images are not cropped anew.

    "linear" is the last layer and one view; "+ms" the last 4 layers and views at several scales, each mirrored too.
    """

    config: SegmentationConfig
    seed: int
    device: torch.device
    name: str = "segmentation"

    def __call__(
        self,
        train: DenseSource,
        train_truth: Truths,
        test: Sequence[View],
        test_truth: Truths,
        classes: int,
        watcher: Watcher | None = None,
    ) -> Answer:
        """Choose the rate on held-out training images, train again on all with it, answer for `test`.

        Args:
            train: features of the training images.
            train_truth: (H, W) int16 classes of each, `IGNORE` where a pixel does not count.
            test: the test images, in one view or several.
            test_truth: likewise of the test images.
            classes: K.
            watcher: sees every prediction.

        Returns:
            `miou`, `pixel_accuracy` and `class_accuracy` over test images, at the size of their masks; in the details
            the rate that was chosen, and `unseen_classes`, those that no pixel of training showed.

        Raises:
            DataError: views differ in count or layers, or there are no training images or pixels with a class.
        """
        widths = {(source.layers, source.width) for source in (train, *(view.source for view in test))}
        if len(widths) > 1:
            raise DataError(f"segmentation: features of {sorted(widths)} layers and width; train and test are alike")
        if not train.count:
            raise DataError("segmentation: no training image")
        train_truth = remembered(train_truth)
        rate, held = self._choose(train, train_truth, classes)
        heads, seen = self._train(train, train_truth, np.arange(train.count), classes, (rate,))
        count = test[0].source.count if test else 0
        counts = []
        with progress("segmentation of test images", count) as shown:
            for number, views in seen_together(test):
                truth = test_truth(number)
                found = predict(heads, 0, views, truth.shape, self.device)
                counts.append(class_counts(found, truth, classes, IGNORE))
                if watcher:
                    watcher(number, found)
                shown.advance()
        chosen = {"learning_rate": rate, "held_out": held, "unseen_classes": classes - seen, "views": len(test)}
        return Answer(segmentation(counts), chosen)

    def _choose(self, train: DenseSource, truth: Truths, classes: int) -> tuple[float, int]:
        """The rate of the highest mIoU on training images held out, the lower among equals; and how many these are."""
        rates, held = self.config.rates, held_out(train.count, self.config.held_out, self.seed)
        judged = np.array([n for n in np.flatnonzero(held).tolist() if (truth(n) != IGNORE).any()], np.int64)
        if len(rates) == 1 or not len(judged):
            return rates[len(rates) // 2], 0
        heads, _ = self._train(train, truth, np.flatnonzero(~held), classes, rates)
        scores = [self._score(heads, head, train, truth, judged, classes) for head in range(len(rates))]
        return rates[int(np.argmax(scores))], len(judged)

    def _score(
        self, heads: Heads, head: int, train: DenseSource, truth: Truths, judged: np.ndarray, classes: int
    ) -> float:
        counts = []
        for batch in train.batches(judged, 1):
            mask = truth(int(batch.index[0]))
            found = predict(heads, head, [(batch, False)], mask.shape, self.device)
            counts.append(class_counts(found, mask, classes, IGNORE))
        return value_of(segmentation(counts)["miou"])

    def _train(
        self, source: DenseSource, truth: Truths, among: np.ndarray, classes: int, rates: tuple[float, ...]
    ) -> tuple[Heads, int]:
        return train_heads(source, truth, among, classes, rates, self.config, self.seed, self.device)

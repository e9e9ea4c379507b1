"""Monocular depth: a head on frozen patches, judged in metres."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from dinov2.errors import DataError
from dinov2.evaluation.metrics.depth import METRICS, depth, depth_errors
from dinov2.evaluation.protocols.answer import Answer
from dinov2.evaluation.protocols.dense import DenseBatch, DenseSource, Truths, View, Watcher
from dinov2.evaluation.protocols.dense.between import enlarge
from dinov2.evaluation.protocols.dense.source import held_out, remembered, seen_together
from dinov2.evaluation.protocols.depth.bins import BinsHead
from dinov2.evaluation.protocols.depth.config import DepthConfig
from dinov2.evaluation.protocols.depth.dpt import LEVELS, DptHead
from dinov2.evaluation.protocols.depth.train import tensors, train_heads
from dinov2.progress import progress


@dataclass(frozen=True)
class DepthEstimation:
    """lin.1, lin.4 and DPT (DINOv2, section 7.4), on features computed once: training images are not cropped anew.

    Attributes:
        near: least depth in metres.
        far: greatest depth in metres.
    """

    config: DepthConfig
    near: float
    far: float
    seed: int
    device: torch.device
    name: str = "depth"

    def __call__(
        self,
        train: DenseSource,
        train_truth: Truths,
        test: Sequence[View],
        test_truth: Truths,
        watcher: Watcher | None = None,
    ) -> Answer:
        """Choose the rate on held-out training images, train again on all with it, answer for `test`.

        Args:
            train: features of the training images: 1 layer for lin.1, 4 for lin.4 and DPT.
            train_truth: (H, W) float32 metres of each, 0 where unknown.
            test: the test images; predictions of several views are averaged.
            test_truth: likewise, 0 also where a pixel is not judged.
            watcher: sees every prediction.

        Returns:
            `rmse`, `abs_rel` and `delta_1` to `delta_3`, means over the test images that have a truth; in the details
            the rate that was chosen, and `without_truth`, test images that have none and are left out.

        Raises:
            DataError: views differ in count or layers, DPT is not given 4 layers, or no map has a reading.
        """
        self._check(train, test)
        train_truth = remembered(train_truth)
        rate, held = self._choose(train, train_truth)
        head = self._train(train, train_truth, np.arange(train.count), (rate,))[0]
        errors: list[np.ndarray | None] = []
        with progress("depth of test images", test[0].source.count) as shown:
            for number, views in seen_together(test):
                truth = test_truth(number)
                found = self._predict(head, views, truth.shape)
                errors.append(depth_errors(found, truth, self.near, self.far))
                if watcher:
                    watcher(number, found)
                shown.advance()
        known = [each for each in errors if each is not None]
        details = {"learning_rate": rate, "held_out": held, "without_truth": len(errors) - len(known)}
        return Answer(depth(known), {**details, "views": len(test)})

    def _check(self, train: DenseSource, test: Sequence[View]) -> None:
        if not test or not train.count:
            raise DataError(f"depth: {train.count} training images and {len(test)} views of test images")
        widths = {(source.layers, source.width) for source in (train, *(view.source for view in test))}
        if len(widths) > 1:
            raise DataError(f"depth: features of {sorted(widths)} layers and width; train and test are alike")
        if self.config.head == "dpt" and train.layers != LEVELS:
            raise DataError(f"depth: features of {train.layers} layers; DPT reads {LEVELS}")

    def _choose(self, train: DenseSource, truth: Truths) -> tuple[float, int]:
        """The rate of the least RMSE on training images held out, the lower among equals; and how many these are."""
        rates, held = self.config.rates, held_out(train.count, self.config.held_out, self.seed)
        judged = np.array([n for n in np.flatnonzero(held).tolist() if (truth(n) > 0).any()], np.int64)
        if len(rates) == 1 or not len(judged):
            return rates[len(rates) // 2], 0
        heads = self._train(train, truth, np.flatnonzero(~held), rates)
        scores = [self._score(head, train, truth, judged) for head in heads]
        return rates[int(np.argmin(scores))], len(judged)

    def _score(self, head: nn.Module, train: DenseSource, truth: Truths, judged: np.ndarray) -> float:
        errors = []
        for batch in train.batches(judged, 1):
            known = truth(int(batch.index[0]))
            predicted = self._predict(head, [(batch, False)], known.shape)
            if not np.isfinite(predicted).all():
                return float("inf")  # it diverged
            found = depth_errors(predicted, known, self.near, self.far)
            errors += [] if found is None else [found[METRICS.index("rmse")]]
        return float(np.mean(errors)) if errors else float("inf")

    def _train(
        self, source: DenseSource, truth: Truths, among: np.ndarray, rates: tuple[float, ...]
    ) -> list[nn.Module]:
        def make() -> nn.Module:
            if self.config.head == "dpt":
                return DptHead(source.width, self.near, self.far, self.config.fusion)
            return BinsHead(source.layers, source.width, self.near, self.far, self.config.bins)

        return train_heads(make, source, truth, among, rates, self.config, self.seed, self.device)

    @torch.inference_mode()
    def _predict(self, head: nn.Module, seen: Sequence[tuple[DenseBatch, bool]], size: tuple[int, ...]) -> np.ndarray:
        """(H, W) metres of one image: the mean over its views."""
        found = []
        for batch, flipped in seen:
            depth_hw = head(*tensors(batch, self.device))[0]
            found.append(enlarge(depth_hw.flip(1) if flipped else depth_hw, (size[0], size[1])))
        return torch.stack(found).mean(0).cpu().numpy()

"""Protocols of classification, on features that are there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dinov2.evaluation.features import ImageFeatures
from dinov2.evaluation.metrics.accuracy import accuracy, class_accuracy
from dinov2.evaluation.protocols.answer import Answer
from dinov2.evaluation.protocols.examples import Examples
from dinov2.evaluation.protocols.fewshot import FewShot
from dinov2.evaluation.protocols.knn import Knn
from dinov2.evaluation.protocols.linear import LinearClassifier, LinearProbe
from dinov2.evaluation.protocols.logistic import Logistic
from dinov2.evaluation.protocols.robustness import corrupted, shifted
from dinov2.evaluation.tasks.inputs import readings, side_by_side
from dinov2.evaluation.tasks.kind import Setting
from dinov2.evaluation.tasks.problem import Problem

TRAIN, CORRUPTED = "train", "corrupted "
ROBUSTNESS, CORRUPTIONS = "robustness", "corruptions"


@dataclass(frozen=True)
class Judge:
    """The protocols on a problem.

    Attributes:
        problem: what is learnt and asked.
        features: by the names of their requests: `TRAIN`, names of tests, and `CORRUPTED` before those of corruptions.
        setting: how.
    """

    problem: Problem
    features: Mapping[str, ImageFeatures]
    setting: Setting

    @property
    def protocols(self) -> dict[str, Callable[[], Answer]]:
        """By name."""
        config, drawn = self.setting.config, (self.setting.seed, self.setting.device)
        knn, logistic = Knn(config.knn, self.setting.device), Logistic(config.logistic, *drawn)
        fewshot = FewShot(config.fewshot, *drawn)
        return {
            "knn": lambda: knn(*self._last, self.problem.trained),
            "linear": self._linear,
            "logistic": lambda: logistic(*self._last, self.problem.trained),
            "fewshot": lambda: fewshot(*self._last, self.problem.trained),
            ROBUSTNESS: self._robustness,
            CORRUPTIONS: self._corruptions,
        }

    @property
    def _test(self) -> str:
        assert self.problem.ordinary, "protocols that learn are not asked for without a test of the kind"
        return self.problem.ordinary

    @cached_property
    def _last(self) -> tuple[Examples, Examples]:
        """The last layer's cls of training and test images."""
        train, test = self.features[TRAIN].last_nd, self.features[self._test].last_nd
        labels = self.problem.train.labels_n, self.problem.tests[self._test].labels_n
        return Examples(train, labels[0]), Examples(test, labels[1])

    @cached_property
    def _classifier(self) -> tuple[LinearClassifier, dict[str, float]]:
        """The linear probe, which robustness asks too."""
        features = self.features[TRAIN]
        train = Examples(side_by_side(features), self.problem.train.labels_n)
        probe = LinearProbe(self.setting.config.linear, self.setting.seed, self.setting.device)
        return probe.learn(train, self.problem.trained, readings(features))

    def _linear(self) -> Answer:
        found, labels_n = self._predicted(self._test, self._test), self.problem.tests[self._test].labels_n
        return Answer({each.__name__: each(found, labels_n) for each in (accuracy, class_accuracy)}, self._details)

    def _robustness(self) -> Answer:
        return Answer(shifted({name: self._right(name, name) for name in self.problem.others}), self._details)

    def _corruptions(self) -> Answer:
        names = [name for name in self.features if name.startswith(CORRUPTED)]
        right = {name.removeprefix(CORRUPTED): self._right(name, self._test) for name in names}
        clean = float(self._right(self._test, self._test).mean())
        return Answer(corrupted(right), {**self._details, "clean": clean})

    @property
    def _details(self) -> dict[str, float]:
        return self._classifier[1]

    def _right(self, features: str, test: str) -> np.ndarray:
        return self._predicted(features, test) == self.problem.tests[test].labels_n

    def _predicted(self, features: str, test: str) -> np.ndarray:
        """(N,) classes that the linear probe gives images of a test, seen in one way or another."""
        examples = Examples(side_by_side(self.features[features]), self.problem.tests[test].labels_n)
        return self._classifier[0].predicted(examples.inputs_nd, self.problem.tests[test].among)

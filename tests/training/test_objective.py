from typing import Any

import pytest
import torch
from torch import Tensor

from dinov2.training import projection
from dinov2.training.crops import Crops, Depth
from dinov2.training.network import Network
from dinov2.training.objective import Losses, Objective, ObjectiveConfig
from dinov2.training.optimiser import clip, norms
from tests.training import reference
from tests.training.memory import Largest
from tests.training.small import (
    BATCH,
    GROUP,
    PROTOTYPES,
    STEP,
    by_crop,
    gains,
    leaves,
    make_crops,
    make_depth,
    make_network,
    shape_of,
)

TEMPERATURE = 0.05
RELATIVE = 1e-5
"""Logits, and the gradients of their prototypes, are computed in fp32 whatever the type of the network."""

CASES: dict[str, dict[str, Any]] = {
    "sinkhorn": {},
    "centring": {"targets": "centring"},
    "no local crops": {"crops": {"local_count": 0}},
    "nothing masked": {"crops": {"masked": 0.0}},
    "a shared head": {"network": {"shared": True}},
    "registers": {"network": {"registers": 3}},
    "swiglu": {"network": {"ffn": "swiglu"}},
    "stochastic depth": {"drop_path": 0.5},
    "distillation": {"crops": {"distilling": True}, "teacher": {"dim": 16, "depth": 1, "registers": 1}},
    "other weights": {"config": {"dino_weight": 0.7, "ibot_weight": 1.3, "koleo_weight": 0.5}},
    "all at once": {
        "targets": "centring", "drop_path": 0.5, "network": {"shared": True, "registers": 2, "ffn": "swiglu"},
    },
}  # fmt: skip


class Case:
    """Two networks and a batch, and what the reference and the objective make of them."""

    def __init__(self, told: dict[str, Any], prototypes: int = PROTOTYPES) -> None:
        own = {"prototypes": prototypes} | told.get("network", {})
        self.student: Network = make_network(1, **own).train()
        self.teacher: Network = make_network(2, **own | told.get("teacher", {})).requires_grad_(False).eval()
        self.crops: Crops = make_crops(3, **told.get("crops", {}))
        self.depth: Depth = make_depth(self.student, told.get("drop_path", 0.0))
        config = ObjectiveConfig.model_validate({"targets": told.get("targets", "sinkhorn")} | told.get("config", {}))
        self.objective = Objective(config, prototypes, GROUP)
        self.centres: tuple[Tensor, Tensor] | None = None
        if config.targets == "centring":
            self.centres = torch.randn(prototypes) / 5, torch.randn(prototypes) / 5
            self.objective.load({"cls": {"centre": self.centres[0]}, "patches": {"centre": self.centres[1]}})

    def losses(self) -> Losses:
        draw = self.depth.draw(STEP, self.crops)
        found = self.objective(self.student, self.teacher, self.crops, TEMPERATURE, draw)
        found.total.backward()
        return found

    def reference(self) -> tuple[reference.Terms, dict[str, Tensor]]:
        """The losses, and the gradient of each parameter by name."""
        state, config = leaves(self.student), self.objective.config
        terms = reference.step(
            state, leaves(self.teacher), shape_of(self.student), shape_of(self.teacher),
            by_crop(self.crops.globals), by_crop(self.crops.locals),
            None if self.crops.hidden is None else by_crop(self.crops.hidden), by_crop(self.crops.predicted),
            TEMPERATURE, GROUP,
            gains(self.depth, STEP, self.crops) if self.depth.drop_path else None,
            self.centres, (config.dino_weight, config.ibot_weight, config.koleo_weight),
        )  # fmt: skip
        terms.total.backward()
        gradients = {name: torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for name, leaf in state.items()}
        return terms, {name: gradients[name] for name, _ in self.student.named_parameters()}


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request: pytest.FixtureRequest) -> Case:
    torch.manual_seed(0)
    return Case(request.param)


def assert_same_gradients(network: Network, expected: dict[str, Tensor]) -> None:
    for name, parameter in network.named_parameters():
        found = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        size = expected[name].abs().max()
        assert (found - expected[name]).abs().max() <= RELATIVE * size, name
        assert size > 0 or "mask_token" in name or "ibot_head" in name, name


def test_losses_and_all_gradients_are_those_of_the_papers(case: Case) -> None:
    found, (expected, gradients) = case.losses(), case.reference()
    for name, value in found.terms().items():
        truth = getattr(expected, "total" if name == "loss" else name)
        assert value.item() == pytest.approx(truth.item(), rel=RELATIVE, abs=1e-6), name
    assert_same_gradients(case.student, gradients)
    assert all(parameter.grad is None for parameter in case.teacher.parameters())


@pytest.mark.parametrize("chunk", [1, 70, 200])
@pytest.mark.parametrize("name", ["sinkhorn", "distillation", "all at once"])
def test_logits_taken_in_chunks_of_any_size_change_nothing(
    chunk: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(projection.CHUNK, "cpu", chunk)
    torch.manual_seed(0)
    case = Case(CASES[name])
    found, (expected, gradients) = case.losses(), case.reference()
    assert found.total.item() == pytest.approx(expected.total.item(), rel=RELATIVE)
    assert_same_gradients(case.student, gradients)


def test_norms_and_clipped_gradients_are_those_of_backbone_and_heads(case: Case) -> None:
    case.losses()
    _, gradients = case.reference()
    found = norms(case.student)
    expected = {name: reference.gradient_norm(gradients, name) for name in found}
    assert {name: float(norm) for name, norm in found.items()} == pytest.approx(expected, rel=RELATIVE)
    limit = sorted(expected.values())[-1] / 2
    clip(case.student, found, limit, factor=1.0)
    scales = {name: min(1.0, limit / norm) if norm else 1.0 for name, norm in expected.items()}
    assert min(scales.values()) == pytest.approx(0.5)
    clipped = {name: scales[name.split(".")[0]] * gradient for name, gradient in gradients.items()}
    assert_same_gradients(case.student, clipped)


def test_the_running_means_take_in_the_teachers_logits() -> None:
    case = Case(CASES["centring"])
    case.losses()
    assert case.centres is not None
    expected, _ = case.reference()
    before = [own["centre"] for own in case.objective.state().values()]
    case.objective.commit()
    after = [own["centre"] for own in case.objective.state().values()]
    for logits, own, old, new in zip(
        (expected.teacher_cls, expected.teacher_patches), before, case.centres, after, strict=True
    ):
        assert torch.equal(own, old)
        torch.testing.assert_close(new.double(), 0.9 * old.double() + 0.1 * logits.mean(0), rtol=1e-5, atol=1e-6)


def test_neighbours_are_sought_among_the_images_of_a_group_and_of_one_crop() -> None:
    case = Case({})
    whole = Objective(case.objective.config, PROTOTYPES, BATCH)
    with torch.no_grad():
        by_group, by_batch = (
            float(each(case.student, case.teacher, case.crops, TEMPERATURE).koleo) for each in (case.objective, whole)
        )
        cls = case.student(case.crops.globals, None, case.crops.hidden, case.crops.chosen).cls
    first, second = cls.unflatten(0, (2, BATCH))
    assert by_batch == pytest.approx(float(reference.koleo(first) + reference.koleo(second)), rel=RELATIVE)
    halves = sum(float(reference.koleo(half)) for crop in (first, second) for half in crop.split(GROUP)) / 2
    assert by_group == pytest.approx(halves, rel=RELATIVE)
    assert by_group < by_batch


@pytest.mark.parametrize("targets", ["sinkhorn", "centring"])
def test_neither_students_nor_teachers_logits_are_ever_whole(targets: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prototypes, chunk = 3000, 20_000
    case = Case({"targets": targets, "crops": {"distilling": True}}, prototypes)
    monkeypatch.setitem(projection.CHUNK, "cpu", chunk)
    monkeypatch.setitem(projection.KEPT, "cpu", 0)
    with Largest() as largest:
        case.losses()
    # The prototypes themselves must be there.
    assert largest.numbers == max(chunk, prototypes * case.student.dino_head.last_layer.weight_v.shape[1])
    assert len(case.crops.chosen) * prototypes >= 18 * largest.numbers

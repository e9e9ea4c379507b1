import pytest
import torch

from dinov2.training.monitor import collapse_signs


def test_collapse_to_one_prototype_and_one_direction_is_seen() -> None:
    targets = torch.zeros(6, 10)
    targets[:, 3] = 1.0
    signs = collapse_signs([targets], [torch.ones(6, 4)])
    assert float(signs["target_entropy"]) == pytest.approx(0.0, abs=1e-6)
    assert float(signs["prototypes_used"]) == pytest.approx(1.0)
    assert float(signs["feature_rank"]) == pytest.approx(1.0, abs=1e-3)


def test_sharp_and_even_assignments_use_all_prototypes() -> None:
    signs = collapse_signs([torch.eye(8)], [torch.eye(8)])
    assert float(signs["target_entropy"]) == pytest.approx(0.0, abs=1e-6)
    assert float(signs["prototypes_used"]) == pytest.approx(8.0)
    assert float(signs["feature_rank"]) == pytest.approx(8.0)


def test_no_choice_at_all_has_the_entropy_of_all_prototypes() -> None:
    signs = collapse_signs([torch.full((4, 16), 1 / 16)], [torch.randn(4, 4)])
    assert float(signs["target_entropy"]) == pytest.approx(torch.log(torch.tensor(16.0)).item())


def test_the_parts_of_a_step_are_looked_at_as_one() -> None:
    torch.manual_seed(0)
    targets, cls = torch.randn(12, 16).softmax(dim=1), torch.randn(12, 6)
    whole = collapse_signs([targets], [cls])
    parted = collapse_signs(list(targets.split([3, 9])), list(cls.split([5, 7])))
    torch.testing.assert_close(parted, whole)
    singular = torch.linalg.svdvals(cls.double())
    shares = singular / singular.sum()
    assert float(whole["feature_rank"]) == pytest.approx(float(torch.exp(-(shares * shares.log()).sum())))

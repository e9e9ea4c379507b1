import pytest
import torch

from dinov2.training.monitor import collapse_signs


def test_collapse_to_one_prototype_and_one_direction_is_seen() -> None:
    targets = torch.zeros(6, 10)
    targets[:, 3] = 1.0
    signs = collapse_signs(targets, torch.ones(6, 4))
    assert float(signs["target_entropy"]) == pytest.approx(0.0, abs=1e-6)
    assert float(signs["prototypes_used"]) == pytest.approx(1.0)
    assert float(signs["feature_rank"]) == pytest.approx(1.0, abs=1e-3)


def test_sharp_and_even_assignments_use_all_prototypes() -> None:
    signs = collapse_signs(torch.eye(8), torch.eye(8))
    assert float(signs["target_entropy"]) == pytest.approx(0.0, abs=1e-6)
    assert float(signs["prototypes_used"]) == pytest.approx(8.0)
    assert float(signs["feature_rank"]) == pytest.approx(8.0)


def test_no_choice_at_all_has_the_entropy_of_all_prototypes() -> None:
    signs = collapse_signs(torch.full((4, 16), 1 / 16), torch.randn(4, 4))
    assert float(signs["target_entropy"]) == pytest.approx(torch.log(torch.tensor(16.0)).item())

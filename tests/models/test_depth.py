import pytest
import torch

from dinov2.models.depth import Everything, Kept, keep_some, zero_some
from dinov2.models.packing import Layout

LAYOUT = Layout(((6, 4), (12, 3)))


def keys(branches: int, *counts: int) -> list[torch.Tensor]:
    return [torch.rand(branches, count) for count in counts]


def test_kept_rows_are_whole_sequences_of_each_run_without_repeats() -> None:
    torch.manual_seed(0)
    for branch in keep_some(LAYOUT, keys(5, 6, 12), run=6, drop_path=0.5):
        assert isinstance(branch, Kept)
        assert branch.layout.groups == ((3, 4), (6, 3))
        assert branch.scale == 2.0
        first, second = branch.rows[:12].reshape(3, 4), branch.rows[12:].reshape(6, 3) - 24
        for part, length in ((first, 4), (second, 3)):
            assert (part[:, 0] % length == 0).all()
            assert (part == part[:, :1] + torch.arange(length)).all()
            assert len(part[:, 0].unique()) == len(part)
        runs = second[:, 0] // 3 // 6
        assert runs.tolist() == [0, 0, 0, 1, 1, 1]


def test_the_sequences_with_the_smallest_keys_are_kept() -> None:
    (branch,) = keep_some(Layout(((4, 2),)), [torch.tensor([[0.9, 0.1, 0.5, 0.2]])], run=4, drop_path=0.5)
    assert isinstance(branch, Kept)
    assert branch.rows.tolist() == [2, 3, 6, 7]


def test_one_sequence_of_each_run_is_always_kept() -> None:
    (branch,) = keep_some(Layout(((4, 3),)), keys(1, 4), run=2, drop_path=0.9)
    assert isinstance(branch, Kept)
    assert branch.layout.groups == ((2, 3),)
    assert branch.scale == 2.0


def test_a_sum_over_the_kept_estimates_the_sum_over_all_without_bias() -> None:
    torch.manual_seed(0)
    values, layout = torch.arange(9.0).repeat_interleave(2)[:, None], Layout(((9, 2),))
    branches = keep_some(layout, keys(4000, 9), run=9, drop_path=0.6)
    totals = [branch.add(values, layout, lambda x, _: x).sum() - values.sum() for branch in branches]
    assert abs(torch.stack(totals).mean() / values.sum() - 1) < 0.02


@pytest.mark.parametrize("drop_path", [0.0, 0.3, 0.5])
def test_computing_the_kept_only_equals_computing_all_and_zeroing(drop_path: float) -> None:
    torch.manual_seed(0)
    own, weight = keys(2, 6, 12), torch.randn(5, 5, dtype=torch.float64)
    results = []
    for make in (keep_some, zero_some):
        x_td = torch.arange(60 * 5, dtype=torch.float64).reshape(60, 5).sin().requires_grad_()
        out_td = x_td
        for branch in make(LAYOUT, own, run=3, drop_path=drop_path):
            out_td = branch.add(out_td, LAYOUT, lambda part, _: (part @ weight).tanh())
        (gradient,) = torch.autograd.grad(out_td.square().sum(), x_td)
        results.append((out_td.detach(), gradient))
    torch.testing.assert_close(results[0], results[1])


def test_without_stochastic_depth_everything_is_updated() -> None:
    x_td = torch.randn(60, 5)
    torch.testing.assert_close(Everything().add(x_td, LAYOUT, lambda part, _: 2 * part), 3 * x_td)

import torch

from dinov2.models.packing import Layout, pack, sample_rows


def test_pack_and_split_give_the_sequences_back() -> None:
    sequences = [torch.randn(3, 5, 8), torch.randn(2, 2, 8), torch.randn(1, 7, 8)]
    packed, layout = pack(sequences)
    assert packed.shape == (3 * 5 + 2 * 2 + 7, 8)
    for part, sequence in zip(layout.split(packed), sequences, strict=True):
        torch.testing.assert_close(part, sequence, rtol=0, atol=0)


def test_sampled_rows_are_whole_sequences_of_each_group_without_repeats() -> None:
    layout = Layout(((6, 4), (10, 3)))
    rows, kept, factors = sample_rows(layout, keep=0.5, device=torch.device("cpu"))
    assert kept.groups == ((3, 4), (5, 3))
    first, second = rows[:12].reshape(3, 4), rows[12:].reshape(5, 3) - 24
    for part, length in ((first, 4), (second, 3)):
        assert (part[:, 0] % length == 0).all()
        assert (part == part[:, :1] + torch.arange(length)).all()
        assert len(part[:, 0].unique()) == len(part)
    assert factors.unique().tolist() == [2.0]


def test_a_sum_over_sampled_rows_estimates_the_whole_sum_without_bias() -> None:
    torch.manual_seed(0)
    values, layout = torch.arange(9.0).repeat_interleave(2), Layout(((9, 2),))
    total = torch.zeros(())
    for _ in range(4000):
        rows, _, factors = sample_rows(layout, keep=0.4, device=torch.device("cpu"))
        total += (values[rows] * factors).sum()
    assert abs(total / 4000 / values.sum() - 1) < 0.02


def test_one_sequence_is_always_kept() -> None:
    _, kept, factors = sample_rows(Layout(((2, 3),)), keep=0.1, device=torch.device("cpu"))
    assert kept.groups == ((1, 3),)
    assert factors.tolist() == [2.0] * 3

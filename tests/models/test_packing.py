import torch

from dinov2.models.packing import pack


def test_pack_and_split_give_the_sequences_back() -> None:
    sequences = [torch.randn(3, 5, 8), torch.randn(2, 2, 8), torch.randn(1, 7, 8)]
    packed, layout = pack(sequences)
    assert packed.shape == (3 * 5 + 2 * 2 + 7, 8)
    for part, sequence in zip(layout.split(packed), sequences, strict=True):
        torch.testing.assert_close(part, sequence, rtol=0, atol=0)

import torch

from dinov2.training.projection import Projection
from dinov2.training.targets import Centring

EVERYTHING = slice(None)


def test_centring_subtracts_the_mean_of_the_steps_before() -> None:
    torch.manual_seed(0)
    centring, prototypes, centre = Centring(5, momentum=0.9), torch.randn(5, 4), torch.zeros(5)
    for _ in range(3):
        parts = [Projection(torch.randn(count, 4), prototypes) for count in (8, 3)]
        logits = [part.features @ prototypes.T for part in parts]
        for assigned, own in zip(centring.assign(parts, 0.04), logits, strict=True):
            torch.testing.assert_close(assigned(EVERYTHING), ((own - centre) / 0.04).softmax(-1))
        centring.commit()
        centre = 0.9 * centre + 0.1 * torch.cat(logits).mean(0)
    torch.testing.assert_close(centring.centre, centre)


def test_a_step_that_is_not_committed_leaves_the_mean_as_it_was() -> None:
    centring = Centring(5)
    centring.assign([Projection(torch.full((2, 4), torch.nan), torch.randn(5, 4))], 0.04)
    centring.assign([Projection(torch.ones(2, 4), torch.ones(5, 4))], 0.04)
    centring.commit()
    torch.testing.assert_close(centring.centre, torch.full((5,), 0.4))

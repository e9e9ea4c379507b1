import pytest
import torch
from torch import Tensor

from dinov2.training.ibot import IbotNetwork, IbotObjective
from dinov2.training.network import HeadsConfig, Network
from dinov2.training.objective import Objective
from tests.training.small import DROP_PATH, STEP, make_crops, make_depth, make_network, make_objective


@pytest.mark.parametrize("drop_path", [0.0, DROP_PATH])
@pytest.mark.parametrize("local_count", [0, 3])
def test_the_way_before_dinov2_has_the_same_losses_and_gradients(drop_path: float, local_count: int) -> None:
    crops = make_crops(4, local_count, dtype=torch.float32)
    found: list[tuple[dict[str, Tensor], dict[str, Tensor | None]]] = []
    for old in (False, True):
        student, average = (make_network(seed, shared=True, dtype=torch.float32) for seed in (1, 2))
        if old:
            student, average = (as_ibot(network) for network in (student, average))
        objective = make_objective("centring", IbotObjective if old else Objective)
        draw = make_depth(student, drop_path, zeroed=old).draw(STEP, crops)
        losses = objective(student.train(), average.eval(), crops, 0.05, draw)
        losses.total.backward()
        found.append((losses.terms(), {name: p.grad for name, p in student.named_parameters()}))
    torch.testing.assert_close(found[1][0], found[0][0], rtol=1e-5, atol=1e-6)
    for name, gradient in found[0][1].items():
        assert gradient is not None
        other = found[1][1][name]
        assert other is not None
        assert (other - gradient).abs().max() <= 1e-5 * gradient.abs().max(), name


def as_ibot(network: Network) -> IbotNetwork:
    """The same weights in the network of iBOT."""
    head = network.dino_head.last_layer.weight_v
    heads = HeadsConfig(
        prototypes=len(head), hidden=network.dino_head.mlp[0].out_features, dino_bottleneck=head.shape[1], shared=True
    )
    own = IbotNetwork(network.backbone, heads, torch.float32)
    own.dino_head.load_state_dict(network.dino_head.state_dict())
    return own

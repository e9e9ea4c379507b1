import pytest
import torch

from dinov2.errors import ConfigError
from dinov2.models.attention import Attention
from dinov2.models.block import Block
from dinov2.training.config import TrainingConfig
from dinov2.training.execution import Execution, equip, settle
from tests.training.small import make_network

GROUP = 4


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("groups", [1, 2, 3, 4, 6, 12])
@pytest.mark.parametrize("microbatch", [0, 4, 5, 8, 12, 16, 1000])
def test_parts_are_the_fewest_equal_ones_of_whole_groups_that_fit(world: int, groups: int, microbatch: int) -> None:
    images = groups * GROUP
    parts = Execution(microbatch=microbatch).parts(world * images, GROUP, world)
    fitting = [
        count for count in range(1, images + 1)
        if images % (count * GROUP) == 0 and (microbatch == 0 or images // count <= microbatch)
    ]  # fmt: skip
    assert parts == min(fitting)


def test_what_cannot_be_shared_out_is_told() -> None:
    with pytest.raises(ConfigError, match="batch_size 24 is 6 groups of group_size 4, which do not divide over 4"):
        Execution().parts(24, GROUP, 4)
    with pytest.raises(ConfigError, match="batch_size 8 is 2 groups of group_size 4, which do not divide over 3"):
        Execution().parts(8, GROUP, 3)
    with pytest.raises(ConfigError, match="DINOV2_MICROBATCH: 3: below group_size 4"):
        Execution(microbatch=3).parts(24, GROUP, 1)


def test_switches_reach_every_block_and_leave_the_weights_alone() -> None:
    network, other = make_network(1), make_network(1)
    assert equip(network, Execution(attention="dense", recompute=True)) is network
    blocks = [module for module in network.modules() if isinstance(module, Block)]
    assert all(block.recompute for block in blocks)
    assert {module.backend for module in network.modules() if isinstance(module, Attention)} == {"dense"}
    assert network.state_dict().keys() == other.state_dict().keys()
    assert not any(block.recompute for block in other.backbone.blocks)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(("asked", "found"), [("auto", {"auto"}), ("dense", {"dense"}), ("measure", {"sdpa", "dense"})])
def test_the_backend_is_settled_before_training(asked: str, found: set[str], config: TrainingConfig) -> None:
    settled = settle(Execution(attention=asked, microbatch=2), config, torch.device("cpu"))
    assert settled.attention in found
    assert settled.microbatch == 2


@pytest.mark.usefixtures("alone")
def test_a_backend_that_does_not_work_here_is_told(config: TrainingConfig) -> None:
    with pytest.raises(ConfigError, match="DINOV2_ATTENTION: 'flash': no such backend"):
        settle(Execution(attention="flash"), config, torch.device("cpu"))

"""Networks and crops small enough for the reference, with no weight left at a value that hides a mistake."""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from dinov2.data.loader import Batch
from dinov2.models import ModelConfig
from dinov2.training.crops import Crops, Depth, Parts
from dinov2.training.guard import Guard
from dinov2.training.network import HeadsConfig, Network
from dinov2.training.objective import Objective, ObjectiveConfig
from dinov2.training.optimiser import Hyper, OptimiserConfig, build_optimiser
from dinov2.training.scaler import LossScale
from dinov2.training.sharding import local
from dinov2.training.trainee import Trainee
from tests.training.reference import Shape, State

PATCH, GLOBAL, LOCAL, BATCH, GROUP, HEADS = 4, 16, 8, 4, 2, 2
PATCHES = (GLOBAL // PATCH) ** 2
SEED, DROP_PATH = 5, 0.5
PROTOTYPES, STEP = 10, 7
HYPER = Hyper(lr=3e-3, last_layer_lr=1e-3, weight_decay=0.1, momentum=0.97, teacher_temperature=0.05)
CONFIG = OptimiserConfig(layer_decay=0.8, patch_embed_lr=0.2, betas=(0.9, 0.99))


def make_network(
    seed: int, prototypes: int = 10, shared: bool = False, dim: int = 12, depth: int = 2, registers: int = 0,
    ffn: str = "mlp", dtype: torch.dtype = torch.float64,
) -> Network:  # fmt: skip
    """A network whose every parameter is random, and none near 0."""
    told = {"arch": "vit_tiny", "embed_dim": dim, "depth": depth, "num_heads": HEADS, "patch_size": PATCH, "ffn": ffn}
    model = ModelConfig.model_validate(told | {"registers": registers})
    heads = HeadsConfig(prototypes=prototypes, hidden=16, dino_bottleneck=6, ibot_bottleneck=5, shared=shared)
    network = Network(model.build(GLOBAL), heads)
    randomise(network, seed)
    return network.to(dtype)


def randomise(network: Network, seed: int) -> None:
    """Fill every parameter."""
    random = torch.Generator().manual_seed(seed)
    for name, parameter in network.named_parameters():
        noise = torch.randn(parameter.shape, generator=random)
        around_one = name.endswith((".gamma", "weight_g")) or (".norm" in name and name.endswith(".weight"))
        parameter.data = 1 + 0.2 * noise if around_one else noise * parameter[0].numel() ** -0.5


def make_crops(
    seed: int, local_count: int = 2, masked: float = 0.4, distilling: bool = False, batch: int = BATCH,
    dtype: torch.dtype = torch.float64,
) -> Crops:  # fmt: skip
    """Noise; every third global crop has no mask."""
    random = torch.Generator().manual_seed(seed)
    hidden = torch.rand(2 * batch, PATCHES, generator=random) < masked
    hidden[::3] = False
    return Crops(
        globals=torch.randn(2 * batch, 3, GLOBAL, GLOBAL, generator=random, dtype=dtype),
        locals=torch.randn(local_count * batch, 3, LOCAL, LOCAL, generator=random, dtype=dtype),
        hidden=None if distilling else hidden,
        predicted=torch.ones_like(hidden) if distilling else hidden,
        groups=range(3, 3 + batch // GROUP),
    )


def make_depth(network: Network, drop_path: float = DROP_PATH, zeroed: bool = False) -> Depth:
    """Stochastic depth of a network."""
    return Depth(SEED, GROUP, 2 * len(network.backbone.blocks), drop_path, zeroed)


def gains(depth: Depth, step: int, crops: Crops) -> list[list[float]]:
    """For each crop those of its branches: from each group's crops of one kind the smallest keys are kept."""
    images = len(crops.groups) * GROUP
    counts = [len(crops.globals) // images, len(crops.locals) // images]
    keys = torch.cat([part.view(part.shape[0], -1, GROUP) for part in depth.keys(step, crops.groups, counts)], dim=1)
    kept = max(1, int(GROUP * (1 - depth.drop_path)))
    found = torch.zeros_like(keys)
    for branch in range(keys.shape[0]):
        for run in range(keys.shape[1]):
            for number in sorted(range(GROUP), key=lambda n: float(keys[branch, run, n]))[:kept]:
                found[branch, run, number] = GROUP / kept
    return found.flatten(1).T.tolist()


def leaves(network: Network) -> State:
    """The parameters by all their names, as tensors of their own; a head used twice is one tensor of two names."""
    own = {id(p): p.detach().double().clone().requires_grad_() for p in network.parameters()}
    return {name: own[id(p)] for name, p in network.named_parameters(remove_duplicate=False)}


def shape_of(network: Network) -> Shape:
    """What the reference is told of a network."""
    return Shape(HEADS, PATCH, network.backbone.num_registers)


def by_crop(x: Tensor) -> Tensor:
    """(crops x B, ...) to (crops, B, ...)."""
    return x.unflatten(0, (-1, BATCH))


def make_trainee(
    student: Network, average: Network, clip_grad: float = 1.0, drop_path: float = DROP_PATH, moments: bool = True
) -> Trainee:
    """A trainee; with moments, in the middle of its run, so that no update hangs on the sign of rounding noise."""
    optimiser = build_optimiser(student, CONFIG)
    random = torch.Generator().manual_seed(9)
    for parameter in student.parameters() if moments else ():
        first, second = torch.randn((2, *parameter.shape), generator=random).to(parameter.dtype).unbind()
        own = {"exp_avg": 0.1 * first, "exp_avg_sq": 0.01 + 0.1 * second.square()}
        optimiser.state[parameter] = {"step": torch.tensor(12.0)} | own
    return Trainee(
        student.train(), average.requires_grad_(False).eval(), optimiser, make_depth(student, drop_path),
        clip_grad, LossScale(False), Guard("run", 3),
    )  # fmt: skip


def make_objective(targets: str = "sinkhorn", kind: type[Objective] = Objective) -> Objective:
    """With centres that are not 0 where there are some."""
    objective = kind(ObjectiveConfig.model_validate({"targets": targets}), PROTOTYPES, GROUP)
    if targets == "centring":
        random = torch.Generator().manual_seed(8)
        objective.load({name: {"centre": torch.randn(PROTOTYPES, generator=random) / 5} for name in ("cls", "patches")})
    return objective


def make_parts(count: int, batch: int = 8, first: int = 4) -> Parts:
    """The same images of a step in `count` parts."""
    random = torch.Generator().manual_seed(3)
    pair, local = (
        torch.randint(0, 256, (crops, batch, side, side, 3), generator=random).byte()
        for crops, side in ((2, GLOBAL), (3, LOCAL))
    )
    masks = torch.rand(2, batch, PATCHES, generator=random) < 0.4
    masks[:, ::3] = False
    batches = []
    for start in range(0, batch, batch // count):
        own = slice(start, start + batch // count)
        tensors = [x[:, own].flatten(0, 1) for x in (pair, local, masks)]
        batches.append(Batch(*tensors, images=torch.arange(batch)[own]))
    return Parts(batches, torch.device("cpu"), distilling=False, first=first, size=GROUP)


def lasting(trainee: Trainee) -> dict[str, Any]:
    """A copy of its state without the rates, which every step is given anew."""
    state = deepcopy(trainee.state())
    rates = (".lr", ".weight_decay")
    state["optimiser"] = {name: value for name, value in state["optimiser"].items() if not name.endswith(rates)}
    return state


def same(first: Any, second: Any) -> bool:
    """Whether two nested states have the same bits."""
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    return torch.equal(local(first), local(second)) if isinstance(first, Tensor) else first == second

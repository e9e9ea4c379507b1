"""Training: the same bits for a seed on a CPU, on any number of threads and however often it was interrupted."""

import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from dinov2.curation.config import TrainedConfig
from dinov2.curation.descriptors.trained.batches import Batch
from dinov2.curation.descriptors.trained.loss import entropy, infonce
from dinov2.curation.descriptors.trained.network import CopyNetwork
from dinov2.data.images import normalise

CHUNK = 48
"""Views that a thread computes at once. Sums over chunks are in their order: who computes them changes no bit."""
UNUSED = ("vit.mask_token", "vit.pos_embed", "vit.norm.weight", "vit.norm.bias")
"""Parts of the transformer that `CopyNetwork` does without."""
WARM_UP = 0.05
PREPARED = 8
"""Batches that new weights are prepared for."""
CLIP = 1.0
BETAS = (0.9, 0.98)


@contextmanager
def one_thread_each(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Threads in each of which torch computes alone: the last bits of a sum depend on how many threads share it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as executor:
            yield executor
    finally:
        torch.set_num_threads(before)


class Fit:
    """A network while it learns.

    Args:
        config: sizes and schedule.
        seed: of the initial weights.
        device: where to compute.
    """

    def __init__(self, config: TrainedConfig, seed: int, device: torch.device) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = CopyNetwork(config).to(device)
        self.config, self.seed, self.device, self.step = config, seed, device, 0
        self._named = {name: own for name, own in self.network.named_parameters() if name not in UNUSED}
        decayed, others = ([p for p in self._named.values() if (p.ndim > 1) == wide] for wide in (True, False))
        groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self._optimiser = torch.optim.AdamW(groups, lr=config.lr, betas=BETAS)

    def learn(self, batch: Batch, executor: Executor) -> float:
        """One step; returns the loss."""
        views = torch.from_numpy(batch.pixels)
        chunks = views.split(CHUNK if self.device.type == "cpu" else len(views))
        made = list(executor.map(self._embed, chunks))
        z_nd = torch.cat(made).detach().requires_grad_()
        positive, related = batch.positive.to(self.device), batch.related.to(self.device)
        loss = infonce(z_nd, positive, related, self.config.temperature)
        loss = loss + self.config.entropy_weight * entropy(z_nd, related)
        (wanted_nd,) = torch.autograd.grad(loss, z_nd)
        parts = list(executor.map(self._gradients, made, wanted_nd.split([len(part) for part in made])))
        self._update([torch.stack(each).sum(dim=0) for each in zip(*parts, strict=True)])
        return float(loss.detach())

    def begin(self, first: Iterable[Batch]) -> None:
        """Prepare new weights for what the first batches show; see `CopyNetwork.spread`."""
        with torch.no_grad():
            chunks = [part for batch in first for part in torch.from_numpy(batch.pixels).split(CHUNK)]
            made = [self.network.pooled(normalise(part.to(self.device))) for part in chunks]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.network.spread(torch.cat(made))

    def state(self) -> dict[str, Tensor]:
        """All that goes on from here depends on, but for `step`."""
        moments: dict[str, Tensor] = {}
        for name, parameter in self._named.items():
            own = self._optimiser.state[parameter]
            moments |= {f"optimiser.{key}.{name}": own[key] for key in own}
        return {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()} | moments

    def restore(self, tensors: dict[str, Tensor], step: int) -> None:
        """Go on from a `state`."""
        own = self.network.state_dict()
        self.network.load_state_dict({name: tensors[f"network.{name}"] for name in own})
        for name, parameter in self._named.items():
            keys = ("step", "exp_avg", "exp_avg_sq")
            self._optimiser.state[parameter] = {key: tensors[f"optimiser.{key}.{name}"].clone() for key in keys}
        self.step = step

    def _embed(self, views: Tensor) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            return self.network(normalise(views.to(self.device)))

    def _gradients(self, made_bd: Tensor, wanted_bd: Tensor) -> Sequence[Tensor]:
        return torch.autograd.grad(made_bd, list(self._named.values()), wanted_bd)

    def _update(self, gradients: Sequence[Tensor]) -> None:
        parameters = list(self._named.values())
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        clip_grads_with_norm_(parameters, CLIP, get_total_norm(gradients))
        for group in self._optimiser.param_groups:
            group["lr"] = self.config.lr * _schedule(self.step, self.config.steps)
        self._optimiser.step()
        self.step += 1


def _schedule(step: int, steps: int) -> float:
    """Share of the peak rate: a linear warm-up, then half a cosine down to 0."""
    warm_up = max(1, round(WARM_UP * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))

"""The images of each step, as this process takes them through the networks."""

from collections.abc import Iterator

import torch.distributed as dist

from dinov2.data.loader import CropBatches, batches
from dinov2.training.crops import Parts
from dinov2.training.work import Place, Work


def feed(work: Work, place: Place, start: int, stop: int) -> Iterator[Parts]:
    """This process's share of the steps from `start` to `stop`, loaded ahead of time."""
    config, rank, world = work.config, dist.get_rank(), dist.get_world_size()
    count = place.execution.parts(config.batch_size, config.group_size, world)
    dataset = CropBatches(
        work.images,
        place.reader,
        config.crops,
        config.masks,
        config.model.patch_size,
        config.batch_size,
        work.seed,
        rank,
        world,
        count,
    )
    loaded = batches(dataset, start * count, stop * count, place.workers, pin=place.device.type == "cuda")
    first = rank * (config.batch_size // world // config.group_size)
    for _ in range(start, stop):
        own = [next(loaded) for _ in range(count)]
        yield Parts(own, place.device, work.teacher is not None, first, config.group_size)


def keys(work: Work, parts: Parts) -> list[str]:
    """Keys of the images of a step on this process."""
    return [work.images["key"][number].as_py() for batch in parts.batches for number in batch.images.tolist()]

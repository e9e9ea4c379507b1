"""The training loop: pretraining, the high-resolution phase and distillation are configurations of it."""

import time

import torch.distributed as dist

from dinov2.data.loader import CropBatches, batches
from dinov2.errors import ConfigError, UserError
from dinov2.progress import progress
from dinov2.training.checkpoint import Checkpoints
from dinov2.training.history import History
from dinov2.training.monitor import collapse_signs
from dinov2.training.sharding import process_group
from dinov2.training.step import prepare, seed_step, train_step
from dinov2.training.stopping import StoppedError, StopRequest, agree
from dinov2.training.trainee import Trainee, build_trainee, export
from dinov2.training.work import Place, Tracker, Work


def train(work: Work, place: Place, tracker: Tracker | None = None) -> History:
    """Do the run, from its newest checkpoint if it has one, and write the result.

    Returns:
        The loss curve, on every rank.

    Raises:
        ConfigError: the batch does not divide over the processes, or there are no images.
        UserError: a loss or gradient is not finite.
        StoppedError: SIGTERM came; the state is saved.
    """
    with process_group(place.device) as mesh:
        _check(work, dist.get_world_size())
        rank = dist.get_rank()
        trainee = build_trainee(work.config, work.seed, work.start, work.teacher, place.device, mesh)
        history = History(work.config.iterations)
        _run(work, place, trainee, history, tracker if rank == 0 else None)
        export(trainee, work.config, work.backbone, work.training, rank)
        return history


def _check(work: Work, world: int) -> None:
    if not len(work.images):
        raise ConfigError(f"{work.name}: the training manifest has no images")
    if work.config.batch_size % world:
        raise ConfigError(f"{work.name}: batch_size {work.config.batch_size} does not divide over {world} processes")


def _run(work: Work, place: Place, trainee: Trainee, history: History, tracker: Tracker | None) -> None:
    config, iterations = work.config, work.config.iterations
    checkpoints = Checkpoints(place.store, work.digest)
    done = checkpoints.load_newest(trainee, history)
    saved_at, saved_step = time.monotonic(), done
    feed = batches(_dataset(work, place), done, iterations, place.workers, pin=place.device.type == "cuda")
    with StopRequest() as stop, progress(work.name, iterations, "steps", done) as shown:
        for step, batch in enumerate(feed, done):
            hyper = config.schedules.at(step)
            seed_step(work.seed, step)
            crops = prepare(batch, place.device, distilling=work.teacher is not None)
            try:
                result = train_step(trainee, crops, hyper, config.optimiser.clip_grad)
            except UserError as error:
                raise UserError(f"{work.name}: step {step + 1}: {error}") from None
            history.add(result.metrics())
            if history.due(step):
                row = history.close(step, collapse_signs(result.losses.targets, result.losses.cls), vars(hyper))
                shown.advance(0, f"loss {row['loss']:.3f}")
                if tracker:
                    tracker.log(step + 1, row)
            shown.advance()
            overdue = time.monotonic() - saved_at > place.checkpoint_seconds
            stopping, saving = agree(stop.asked, overdue or stop.asked, place.device)
            if saving:
                checkpoints.save(step + 1, trainee, history)
                saved_at, saved_step = time.monotonic(), step + 1
            if stopping:
                raise StoppedError(f"{work.name}: told to stop; saved after step {step + 1} of {iterations}")
    if saved_step < iterations:
        checkpoints.save(iterations, trainee, history)


def _dataset(work: Work, place: Place) -> CropBatches:
    config = work.config
    return CropBatches(
        work.images,
        place.reader,
        config.crops,
        config.masks,
        config.model.patch_size,
        config.batch_size,
        work.seed,
        dist.get_rank(),
        dist.get_world_size(),
    )

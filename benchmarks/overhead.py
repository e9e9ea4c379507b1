"""What guard, logging and moving average cost: their share of a training step, from a profile.

    python -m benchmarks.overhead                                # ViT-S/14 on a CPU
    python -m benchmarks.overhead --device cuda --arch vit_large --batch 64

The steps are those of the loop itself, each noted in a loss curve, with a row of it (the signs of collapse included)
every 20th step, far more often than the loop's one in 400th of a run. On a GPU every kernel is waited for, so that time
is counted where it is spent.
"""

import argparse
import os
import tempfile
from pathlib import Path

import pyarrow as pa
import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.train_step import configuration, options_of, random_batch
from dinov2.data.sources import ImageReader
from dinov2.storage import Store
from dinov2.training.crops import Parts
from dinov2.training.execution import Execution, settle
from dinov2.training.memory import keep_memory
from dinov2.training.run import Run
from dinov2.training.sharding import process_group
from dinov2.training.step import train_step
from dinov2.training.trainee import build_objective, build_trainee, prepare
from dinov2.training.work import Place, Work

EXTRAS = ("guard", "log", "average")
PARTS = ("teacher", "student", "norms", "update", *EXTRAS)
ROW_EVERY = 20


def main() -> None:
    """Profile a stretch of steps and print each part's share."""
    os.environ["CUDA_LAUNCH_BLOCKING"] = "1"
    options = options_of(__doc__, argparse.ArgumentParser())
    config, device = configuration("dinov2", options), torch.device(options.device)
    torch.set_num_threads(options.threads)
    keep_memory(device)
    with tempfile.TemporaryDirectory() as folder, process_group(device) as mesh:
        store = Store(folder)
        place = Place(store, ImageReader([], store, Path(folder)), device, workers=0, checkpoint_seconds=1e9)
        execution = settle(Execution(options.attention, options.recompute, options.compile), config, device)
        ready = prepare(config, device, mesh, execution)
        trainee, objective = build_trainee("overhead", config, 0, None, ready), build_objective(config)
        work = Work("overhead", config, 0, pa.table({}), "", Path(folder) / "backbone.safetensors")
        run = Run(work, trainee, objective, place, None)
        run.history.stride = ROW_EVERY
        parts = Parts([random_batch(config)], device, distilling=False, first=0, size=config.group_size)
        hyper = config.schedules.at(config.iterations // 2)

        def steps(count: int) -> None:
            for _ in range(count):
                (step,) = train_step([trainee], trainee.average, objective, parts, hyper, run.done)
                run.note(step, hyper, list)

        steps(options.warm_up)
        with profile(activities=[ProfilerActivity.CPU]) as profiled:
            steps(ROW_EVERY)
    _print(profiled)


def _print(profiled: profile) -> None:
    times = {event.key: event.cpu_time_total for event in profiled.key_averages() if event.key in PARTS}
    whole = sum(times.values())
    for name in PARTS:
        print(f"{name:8} {1e-6 * times[name] / ROW_EVERY:8.4f} s/step {times[name] / whole:7.2%}")
    print(f"guard, log and average together: {sum(times[name] for name in EXTRAS) / whole:.2%} of a step")


if __name__ == "__main__":
    main()

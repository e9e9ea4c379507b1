"""A training step against iBOT's way of doing the same: images per second and peak memory, interleaved.

    python -m benchmarks.train_step                                          # ViT-S/14 on a CPU
    python -m benchmarks.train_step --device cuda --arch vit_large --batch 64

Both take the crops of the paper (2 of 224 pixels, 8 of 98) of random pixels, 0.4 of the sequences dropped. The baseline
is `method: ibot` of this project: a forward pass for each size of crop, what stochastic depth drops computed and
multiplied by zero, fp32 parameters under autocast, one shared head, centring, logits whole. Optimiser, kernels and
allocator are the same. Each method has a process of its own, whose peak memory is therefore its own; they take turns.
"""

import argparse
import json
import multiprocessing
import resource
import sys
import time
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

import torch

from dinov2.data.loader import Batch
from dinov2.data.masks import MaskConfig, batch_masks
from dinov2.training.config import TrainingConfig
from dinov2.training.crops import Parts
from dinov2.training.execution import Execution, settle
from dinov2.training.memory import keep_memory
from dinov2.training.sharding import process_group
from dinov2.training.step import train_step
from dinov2.training.trainee import build_objective, build_trainee, prepare

METHODS = ("dinov2", "ibot")


def configuration(method: str, options: argparse.Namespace) -> TrainingConfig:
    """The paper's, at the size asked for."""
    heads: dict[str, Any] = {"prototypes": options.prototypes}
    if method == "ibot":
        heads |= {"dino_bottleneck": 256, "ibot_bottleneck": 256}
    return TrainingConfig.model_validate(
        {
            "method": method,
            "model": {"arch": options.arch, "patch_size": 14, "drop_path": options.drop_path},
            "heads": heads,
            "batch_size": options.batch,
            "group_size": options.batch,
            "precision": options.precision,
        }
    )


def random_batch(config: TrainingConfig) -> Batch:
    """Crops of random pixels, and masks."""
    generator, count, crops = torch.Generator().manual_seed(0), config.batch_size, config.crops
    side = crops.global_size // config.model.patch_size
    shapes = [(2 * count, crops.global_size), (crops.local_count * count, crops.local_size)]
    pixels = [torch.randint(256, (n, s, s, 3), generator=generator, dtype=torch.uint8) for n, s in shapes]
    masks = torch.from_numpy(batch_masks(MaskConfig(), 2 * count, side, (0,), slice(0, 2 * count)))
    return Batch(*pixels, masks, torch.arange(count))


def work(method: str, options: argparse.Namespace, orders: Connection) -> None:
    """Take a step whenever told to, and answer with its seconds; at the end with the peak of memory in bytes."""
    torch.set_num_threads(options.threads)
    config, device = configuration(method, options), torch.device(options.device)
    keep_memory(device)
    with process_group(device) as mesh:
        execution = settle(Execution(options.attention, options.recompute, options.compile), config, device)
        trainee = build_trainee(method, config, 0, None, prepare(config, device, mesh, execution))
        objective = build_objective(config)
        parts = Parts([random_batch(config)], device, distilling=False, first=0, size=config.group_size)
        step = 0
        while orders.recv():
            started = time.perf_counter()
            train_step([trainee], trainee.average, objective, parts, config.schedules.at(step + 5000), step)
            if device.type == "cuda":
                torch.cuda.synchronize()
            step += 1
            orders.send(time.perf_counter() - started)
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else _resident()
    orders.send(peak)


def _resident() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def options_of(description: str | None, parser: argparse.ArgumentParser) -> argparse.Namespace:
    """What to measure, from the command line."""
    parser.description, parser.formatter_class = description, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--arch", default="vit_small")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--prototypes", type=int, default=65536)
    parser.add_argument("--drop-path", type=float, default=0.4)
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--attention", default="auto")
    parser.add_argument("--recompute", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warm-up", type=int, default=2)
    return parser.parse_args()


def main() -> None:
    """Let both take turns, and print a table."""
    options = options_of(__doc__, argparse.ArgumentParser())
    context = multiprocessing.get_context("spawn")
    workers = {}
    for method in METHODS:
        here, there = context.Pipe()
        process = context.Process(target=work, args=(method, options, there))
        process.start()
        workers[method] = (here, process)
    seconds: dict[str, list[float]] = {method: [] for method in METHODS}
    for number in range(options.warm_up + options.rounds):
        for method, (orders, _) in workers.items():
            orders.send(True)
            taken = orders.recv()
            if number >= options.warm_up:
                seconds[method].append(taken)
    peaks = {}
    for method, (orders, process) in workers.items():
        orders.send(False)
        peaks[method] = orders.recv()
        process.join()
    _print(options, seconds, peaks)


def _print(options: argparse.Namespace, seconds: dict[str, list[float]], peaks: dict[str, int]) -> None:
    print(json.dumps(vars(options)), file=sys.stderr)
    print(f"{'method':8} {'images/s':>9} {'s/step':>8} {'peak GiB':>9}")
    for method in METHODS:
        middle = median(seconds[method])
        print(f"{method:8} {options.batch / middle:9.2f} {middle:8.3f} {peaks[method] / 2**30:9.2f}")
    ratios = sorted(theirs / ours for ours, theirs in zip(seconds["dinov2"], seconds["ibot"], strict=True))
    span, memory = f"{ratios[0]:.2f} to {ratios[-1]:.2f}", peaks["dinov2"] / peaks["ibot"]
    print(f"speed {median(ratios):.2f} times the baseline's ({span}), memory {memory:.2f} times")


if __name__ == "__main__":
    main()

"""Indexes on GPUs, where faiss was built for them."""

from typing import Any

import faiss

from dinov2.errors import ConfigError


def has_gpus() -> bool:
    """Whether this faiss sees GPUs; faiss-cpu never does."""
    return hasattr(faiss, "get_num_gpus") and faiss.get_num_gpus() > 0


def on_gpus(index: Any) -> Any:
    """An empty index on all GPUs, each of which is to hold a share of the vectors that are added.

    Raises:
        ConfigError: this faiss has no GPUs.
    """
    if not has_gpus():
        raise ConfigError("search on GPUs: faiss sees none here; install faiss-gpu in place of faiss-cpu")
    options = faiss.GpuMultipleClonerOptions()
    options.shard = True
    return faiss.index_cpu_to_all_gpus(index, co=options)


def set_probes(index: Any, probes: int, gpus: bool) -> None:
    """Have an index of lists look into `probes` of them."""
    space = faiss.GpuParameterSpace() if gpus else faiss.ParameterSpace()
    space.set_index_parameter(index, "nprobe", probes)

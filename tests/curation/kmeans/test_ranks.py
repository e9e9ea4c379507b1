"""Any number of processes finds the same centroids, bit by bit: real ones, which talk over gloo."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dinov2.curation.keep import Keep
from dinov2.curation.kmeans import spherical_kmeans
from dinov2.curation.vectors import Held
from dinov2.storage import Store
from tests.curation.kmeans.blobs import blobs

ITERATIONS = 6
PROGRAM = f"""
import sys
from pathlib import Path
import numpy as np
import torch.distributed as dist
from dinov2.curation.keep import Keep
from dinov2.curation.kmeans import spherical_kmeans
from dinov2.curation.vectors import Mapped
from dinov2.storage import Store

folder, world, rank = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
dist.init_process_group("gloo", f"file://{{folder}}/rendezvous-{{world}}", rank=rank, world_size=world)
vectors, keep = Mapped(folder / "vectors", 32), Keep(Store(str(folder / "store")), "d")
found = spherical_kmeans(vectors, 30, 1, iterations={ITERATIONS}, block=50, keep=keep)
np.save(folder / f"found-{{world}}-{{rank}}.npy", found)
dist.destroy_process_group()
"""


def found_by(world: int, folder: Path) -> list[np.ndarray]:
    """The centroids that each of `world` processes finds."""
    command = [sys.executable, "-c", PROGRAM, str(folder), str(world)]
    ranks = [subprocess.Popen([*command, str(rank)]) for rank in range(world)]
    assert [process.wait(timeout=200) for process in ranks] == [0] * world
    return [np.load(folder / f"found-{world}-{rank}.npy") for rank in range(world)]


@pytest.mark.slow
def test_bits_do_not_depend_on_the_number_of_processes_that_make_or_resume_them(tmp_path: Path) -> None:
    vectors = blobs([40] * 10, 0.5)[0]
    # Many of a kind: some clusters begin alike, and so lose all points but to one of them.
    vectors[100:200] = vectors[99]
    vectors.tofile(tmp_path / "vectors")
    expected = spherical_kmeans(Held(vectors), 30, 1, iterations=ITERATIONS)
    keep = Keep(Store(str(tmp_path / "store")), "d")
    states = keep.within("k-means", len(vectors), 30, 1, ITERATIONS, 256)
    for world in (2, 3):
        for centroids in found_by(world, tmp_path):
            np.testing.assert_array_equal(centroids, expected)
        assert "state" in states.within(ITERATIONS).names()
        # As if it had been killed in the last iteration: the next number of processes goes on from the one before.
        states.within(ITERATIONS).forget()
        assert "state" in states.within(ITERATIONS - 1).names()
    np.testing.assert_array_equal(found_by(1, tmp_path)[0], expected)

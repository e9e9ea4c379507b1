from pathlib import Path

import numpy as np

from dinov2.curation.vectors import Held
from dinov2.curation.workplace import Described
from dinov2.stages.described import leave


def test_sets_of_the_same_images_are_left_at_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    sets = [Described(Held(np.zeros((1, 2))), tmp_path / name / "images.parquet", name) for name in "aab"]
    leave(*sets)
    assert list(tmp_path.iterdir()) == []

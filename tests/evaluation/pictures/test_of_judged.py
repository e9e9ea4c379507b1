import numpy as np

from dinov2.evaluation.pictures.of_judged import watchers
from dinov2.evaluation.sets import read_set
from dinov2.evaluation.tasks import TASKS
from tests.evaluation.sets.making import image, mask, text


def test_where_no_protocol_is_named_those_that_are_usual_are_watched(tmp_path):
    for number in range(8):
        image(tmp_path / "images" / f"{number}.jpg", 30, 40, seed=number)
        mask(tmp_path / "masks" / f"{number}.png", np.full((30, 40), number % 2, np.uint8))
    text(tmp_path / "README.md", "Classes: 0=sky, 1=road.")
    task = read_set(tmp_path)
    assert tuple(watchers(task, ())) == TASKS[type(task)].usual(task)
    assert tuple(watchers(task, ("segmentation",))) == ("segmentation",)

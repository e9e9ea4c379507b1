from collections.abc import Iterator

import pytest
import torch

from dinov2.training.history import History
from dinov2.training.sharding import process_group


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    with process_group(torch.device("cpu")):
        yield


def test_rows_are_means_over_equal_stretches() -> None:
    history = History(iterations=1200)
    for step in range(6):
        history.add({"loss": torch.tensor(float(step))})
        if history.due(step):
            history.close(step, {"rank": torch.tensor(7.0)}, {"lr": 0.5})
    assert history.rows == [
        {"iteration": 3.0, "loss": 1.0, "rank": 7.0, "lr": 0.5},
        {"iteration": 6.0, "loss": 4.0, "rank": 7.0, "lr": 0.5},
    ]


def test_a_history_taken_up_in_the_middle_of_a_row_makes_the_same_row() -> None:
    whole, first = History(1200), History(1200)
    for step in range(3):
        whole.add({"loss": torch.tensor(0.1 * step)})
        if step < 2:
            first.add({"loss": torch.tensor(0.1 * step)})
    second = History(1200)
    second.load(first.state())
    second.add({"loss": torch.tensor(0.1 * 2)})
    assert second.close(2, {}, {}) == whole.close(2, {}, {})


def test_csv_has_a_header_and_a_line_for_each_row() -> None:
    history = History(2)
    history.add({"loss": torch.tensor(1.25)})
    history.close(0, {}, {"lr": 1e-5})
    assert history.csv() == "iteration,loss,lr\n1,1.25,1e-05\n"
    assert History(2).csv() == "iteration\n"

"""The plan of nearest neighbours at scale, by hand and from a small search."""

import json
import sys

import pytest

from benchmarks.knn_scale import PLANNED, main, plan


def test_the_plan_is_the_last_slope_times_the_planned_pairs() -> None:
    rows = [
        {"bank": bank, "seconds": seconds, "core_seconds": 2 * seconds, "peak_gib": 1.5}
        for bank, seconds in ((1, 90.0), (1000, 3.0), (2000, 5.0))
    ]
    found = plan(rows, queries=100, dim=10)
    pair = 2.0 / (1000 * 100)
    assert found["hours"] == pytest.approx(pair * PLANNED[0] * PLANNED[1] / 3600)
    assert found["core_hours"] == pytest.approx(2 * found["hours"])
    assert found["gflops"] == pytest.approx(2 * 10 / pair / 1e9)
    assert found["slope"] == pytest.approx(0.737, abs=1e-3)  # log(5 / 3) / log 2
    assert found["gib"] == pytest.approx(1.5 + 49_900 * (80 + 2400) / 2**30)
    assert found["bank_gib"] == pytest.approx(20 * PLANNED[1] / 2**30)


def test_the_command_ends_with_one_line_of_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    sizes = ["--queries", "20", "--banks", "17000", "400", "--dim", "8", "--threads", "1"]
    monkeypatch.setattr(sys, "argv", ["knn_scale", *sizes, "--faiss", "--json"])
    main()
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [row["bank"] for row in found["rows"]] == [400, 17_000]
    assert all(row["seconds"] > 0 and row["faiss_seconds"] > 0 and row["peak_gib"] > 0 for row in found["rows"])

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from dinov2.evaluation.report.curves import HEIGHT, WIDTH, line, read_run, thinned


def points(svg: str) -> np.ndarray:
    found = ElementTree.fromstring(svg).find("polyline")
    return np.array([[float(value) for value in pair.split(",")] for pair in found.get("points").split()])


def test_a_line_fills_its_frame_and_rises_upwards():
    drawn = points(line(np.array([10.0, 20.0, 30.0]), np.array([1.0, 3.0, 2.0]), "loss"))
    np.testing.assert_allclose(drawn, [[0, HEIGHT], [WIDTH / 2, 0], [WIDTH, HEIGHT / 2]])


def test_constant_and_single_values_are_drawn():
    assert (points(line(np.arange(3.0), np.ones(3), "flat"))[:, 1] == HEIGHT / 2).all()
    assert "<circle" in line(np.ones(1), np.ones(1), "one")


def test_names_are_escaped():
    assert "<b>" not in line(np.arange(2.0), np.arange(2.0), '"><b>')


def test_thinning_keeps_the_mean_and_short_curves_whole():
    x, y = np.arange(1000.0), np.random.default_rng(0).normal(size=1000)
    thin_x, thin_y = thinned(x, y, 100)
    assert len(thin_x) == len(thin_y) == 100
    assert thin_y.mean() == pytest.approx(y.mean())
    np.testing.assert_allclose(thin_y[3], y[30:40].mean())
    np.testing.assert_array_equal(thinned(x[:50], y[:50], 100)[1], y[:50])
    assert len(thinned(x[:241], y[:241], 240)[0]) == 240


def test_a_run_is_read_with_gaps_and_infinities(tmp_path):
    path = tmp_path / "pretrain.csv"
    path.write_text("iteration,loss,ibot,empty\n10,3.5,,\n20,inf,-2,\n30,1.25,-4,\n", encoding="utf-8")
    run = read_run(path)
    assert (run.name, run.last) == ("pretrain", 30)
    loss, ibot = run.curves
    assert (loss.name, loss.low, loss.high, loss.last) == ("loss", "1.25", "3.5", "1.25")
    assert (ibot.low, ibot.high, ibot.last) == ("−4", "−2", "−4")
    assert not re.search("inf|nan", loss.svg)


def test_a_run_that_has_not_begun_is_empty(tmp_path):
    path = tmp_path / "S.csv"
    path.write_text("iteration\n", encoding="utf-8")
    assert read_run(path).curves == []

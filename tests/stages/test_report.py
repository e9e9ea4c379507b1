"""The stage report on a workspace in which nothing was made yet."""

from pathlib import Path

from dinov2.config import read_yaml
from dinov2.settings import Settings
from dinov2.stages import files, report
from dinov2.stages.context import Context
from dinov2.stages.params import Params

PARAMS = Path(__file__).parents[2] / "params.yaml"


def test_the_page_shows_parameters_with_their_defaults_and_repeats(tmp_path):
    context = Context(tmp_path, Params.model_validate(read_yaml(PARAMS)), Settings(store="store"))
    report.run(context)
    first = context.path(files.REPORT).read_bytes()
    report.run(context)
    assert context.path(files.REPORT).read_bytes() == first
    page = first.decode()
    assert "max_pixels: 64000000" in page  # a default
    assert "\nregister:" not in page
    assert str(tmp_path) not in page

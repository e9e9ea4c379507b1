"""What a dvc.lock says of the stages that were done."""

import pytest

from dinov2.errors import DataError
from dinov2.runs.lock import Lock

LOCK = b"""
schema: '2.0'
stages:
  report:
    cmd: dinov2 report
    deps: [{path: metrics, md5: m.dir, hash: md5}]
    outs: [{path: report.html, md5: r, hash: md5}]
  train:
    cmd: dinov2 train
    deps: [{path: data/manifest, md5: a}, {path: given.txt, md5: g}]
    params:
      params.yaml: {seed: 0, train: {lr: 1.0}}
    outs: [{path: weights, md5: w}, {path: metrics/train.json, md5: t}]
  ingest:
    cmd: dinov2 ingest
    outs: [{path: data, md5: d.dir}]
"""


def names(stages: list) -> list[str]:
    return [stage.name for stage in stages]


def test_each_stage_comes_after_those_that_it_reads_from_whatever_the_order_of_the_file() -> None:
    lock = Lock(LOCK, "here")
    assert names(lock.upstream(lock.stages["report"])) == ["ingest", "train", "report"]
    assert names(lock.upstream(lock.stages["ingest"])) == ["ingest"]
    assert lock.stages["train"].params == {"seed": 0, "train": {"lr": 1.0}}


def test_a_file_in_a_folder_is_made_by_who_makes_the_folder() -> None:
    lock = Lock(LOCK, "here")
    assert lock.maker("data/manifest") == lock.stages["ingest"]
    assert lock.maker("given.txt") is None
    assert lock.maker("weights.txt") is None


def test_a_lock_without_stages_is_one_in_which_nothing_was_done() -> None:
    assert Lock(b"schema: '2.0'", "here").stages == {}


@pytest.mark.parametrize("content", [b"", b"stages", b"stages: [1]", b"stages: {a: {cmd: x, outs: [{md5: p}]}}", b"{"])
def test_what_is_no_lock_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match=r"here: no dvc\.lock of DVC 3"):
        Lock(content, "here")

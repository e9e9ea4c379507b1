"""A descriptor from a short run on the raw pool: what it learns from, where it lies, and how it is frozen."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from numpy.random import default_rng

from dinov2.curation.config import BootstrapConfig
from dinov2.errors import ConfigError, DataError
from dinov2.launch import Job
from dinov2.models import load_backbone
from dinov2.settings import Settings
from dinov2.stages import bootstrap, files, ingest, learnt
from dinov2.stages.bootstrap import bootstrapped, work
from dinov2.stages.context import Context
from dinov2.stages.describe import describe
from dinov2.stages.descriptors import descriptor_of
from dinov2.stages.params import load_params

ROOT = Path(__file__).parents[2]
SETTINGS = Settings(store="var/store", workers=0, threads=1, device="cpu")
OWN = {"kind": "bootstrap", "share": 0.5}


def photograph(path: Path, seed: int) -> None:
    path.parent.mkdir(exist_ok=True)
    noise = default_rng(seed).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    cv2.imwrite(str(path), cv2.resize(noise, (64, 48)))


def opened(root: Path, **changes: object) -> Context:
    """The workspace with `changes` of embed.retrieval."""
    content = yaml.safe_load((root / "params.yaml").read_text())
    content["embed"]["retrieval"] = OWN | changes
    (root / "params.yaml").write_text(yaml.safe_dump(content))
    return Context(root, load_params(root), SETTINGS)


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One MLflow database for all tests: to make one takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tracking: str) -> Context:
    """Five images of a pool, one of them twice, two curated and two for evaluation; pretraining would take 4 steps."""
    for number in range(5):
        photograph(tmp_path / "pool" / f"{number}.png", number)
    shutil.copy(tmp_path / "pool" / "0.png", tmp_path / "pool" / "again.png")
    for number in range(2):
        photograph(tmp_path / "wanted" / f"{number}.png", 10 + number)
        photograph(tmp_path / "held" / f"{number}.png", 20 + number)
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    roles = {"pool": "pool", "wanted": "curated", "held": "evaluation"}
    content["ingest"] = {"sources": [{"name": name, "uri": name, "role": role} for name, role in roles.items()]}
    content["pretrain"]["model"] |= {"embed_dim": 32, "depth": 1, "num_heads": 1}
    content["pretrain"]["heads"] |= {"prototypes": 16, "hidden": 16}
    content["pretrain"] |= {"batch_size": 2, "group_size": 2, "epochs": 4, "epoch_length": 1}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    for name in ("store", "workers", "threads", "device"):
        monkeypatch.setenv(f"DINOV2_{name.upper()}", str(getattr(SETTINGS, name)))
    monkeypatch.setenv("DINOV2_TRACKING", tracking)
    monkeypatch.chdir(tmp_path)
    context = opened(tmp_path)
    ingest.run(context)
    return context


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Jobs that were launched; they are done in this process."""
    launched: list[Job] = []

    def launch(job: Job, *_: object) -> None:
        launched.append(job)
        bootstrap.main(*job.arguments)

    monkeypatch.setattr(learnt, "launch", launch)
    return launched


def rewrite(context: Context, change) -> None:
    path = context.path(files.MANIFEST)
    pq.write_table(change(pq.read_table(path)), path)


def test_it_learns_from_each_image_of_the_pool_once_and_from_no_other(context: Context) -> None:
    own = work(context, "retrieval")
    assert own.config.iterations == 2
    assert set(own.images["role"].to_pylist()) == {"pool"}
    pool = pq.read_table(context.path(files.MANIFEST)).filter(pc.field("role") == "pool")["sha256"].to_pylist()
    sha256s = own.images["sha256"].to_pylist()
    # Two steps of two images have room for four of the five.
    assert sha256s == sorted(set(pool))[:4]


def test_the_run_is_named_by_its_images_and_parameters_and_by_nothing_else(context: Context) -> None:
    before = work(context, "retrieval").digest
    rewrite(context, lambda rows: rows.take(pa.array(default_rng(0).permutation(len(rows)))))
    rewrite(context, lambda rows: rows.filter(pc.field("role") != "evaluation"))
    assert work(context, "retrieval").digest == before
    first = work(context, "retrieval").images["sha256"][0]
    rewrite(context, lambda rows: rows.filter(pc.field("sha256") != first))
    assert work(context, "retrieval").digest != before
    assert work(opened(context.root, share=1.0), "retrieval").digest != before


def test_it_is_trained_once_and_nothing_is_left_in_the_workspace(context: Context, jobs: list[Job]) -> None:
    config = context.params.embed.retrieval
    descriptor = descriptor_of(context, config)
    assert (descriptor.dim, descriptor.shortest) == (32, context.params.pretrain.crops.global_size)
    rewrite(context, lambda rows: rows.take(pa.array(default_rng(0).permutation(len(rows)))))
    shutil.rmtree(context.scratch)
    assert descriptor_of(context, config).digest == descriptor.digest
    assert len(jobs) == 1
    assert not [name for name in ("weights", "plots", "metrics/bootstrap.json") if context.path(name).exists()]
    damaged = next(name for name in context.store.list("descriptors") if name.endswith(".safetensors"))
    context.store.write(damaged, b"no weights")
    assert descriptor_of(context, config).digest == descriptor.digest
    assert len(jobs) == 2


def test_another_model_may_be_asked_for(context: Context, jobs: list[Job]) -> None:
    model = {"arch": "vit_tiny", "embed_dim": 16, "depth": 1, "num_heads": 1, "patch_size": 8}
    changed = opened(context.root, model=model, resolution=32)
    descriptor = descriptor_of(changed, changed.params.embed.retrieval)
    assert (descriptor.dim, descriptor.shortest, len(jobs)) == (16, 32, 1)


@pytest.mark.slow
def test_the_launcher_s_process_trains_it(context: Context) -> None:
    config = context.params.embed.retrieval
    assert isinstance(config, BootstrapConfig)
    assert load_backbone(bootstrapped(context, config)).embed_dim == 32


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"resolution": 50}, r"embed\.retrieval: patches of 8 pixels do not tile 50 pixels"),
        ({"model": {"arch": "vit_tiny", "patch_size": 7}}, r"patches of 7 pixels do not tile 48 pixels"),
        ({"share": 0.05}, r"embed\.retrieval\.share 0\.05: no step of pretrain's 4"),
        ({"share": 0}, r"embed\.retrieval\.bootstrap\.share: 0: .*greater than 0"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_the_parameters(context: Context, changes: dict, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        opened(context.root, **changes)


def test_a_manifest_without_a_pool_is_refused(context: Context) -> None:
    rewrite(context, lambda rows: rows.filter(pc.field("role") != "pool"))
    with pytest.raises(DataError, match=r"manifest\.parquet: no image has the role pool"):
        work(context, "retrieval")


def test_a_frozen_one_is_the_same_descriptor_whatever_becomes_of_the_pool(
    context: Context, jobs: list[Job], capsys: pytest.CaptureFixture[str]
) -> None:
    learnt = descriptor_of(context, context.params.embed.retrieval)
    capsys.readouterr()
    describe(context, "retrieval", "own/frozen.safetensors")
    said = capsys.readouterr().out
    named = yaml.safe_load(said.partition("\n")[2])["embed"]["retrieval"]
    content = yaml.safe_load((context.root / "params.yaml").read_text())
    content["embed"]["retrieval"] = named
    (context.root / "params.yaml").write_text(yaml.safe_dump(content))
    rewrite(context, lambda rows: rows.slice(0, 3))
    frozen = Context(context.root, load_params(context.root), SETTINGS)
    assert descriptor_of(frozen, frozen.params.embed.retrieval).digest == learnt.digest
    assert len(jobs) == 1


def test_a_trained_one_keeps_its_name_when_it_is_frozen_and_learns_from_the_pool_in_any_order(context: Context) -> None:
    small = {"steps": 2, "batch_size": 4, "width": 24, "depth": 1, "dim": 8, "resolution": 16, "precision": "fp32"}
    content = yaml.safe_load((context.root / "params.yaml").read_text())
    content["embed"]["copy"] = {"kind": "trained"} | small
    (context.root / "params.yaml").write_text(yaml.safe_dump(content))
    learning = Context(context.root, load_params(context.root), SETTINGS)
    learnt = descriptor_of(learning, learning.params.embed.copy_)
    describe(learning, "copy", "copies.safetensors")
    frozen = learning.params.embed.copy_.model_copy(update={"weights": "copies.safetensors"})
    assert descriptor_of(learning, frozen).digest == learnt.digest
    rewrite(context, lambda rows: rows.take(pa.array(default_rng(0).permutation(len(rows)))))
    assert descriptor_of(learning, learning.params.embed.copy_).digest == learnt.digest
    rewrite(context, lambda rows: rows.slice(0, 4))
    assert descriptor_of(learning, frozen).digest == learnt.digest


@pytest.mark.parametrize(
    ("use", "to", "fault"),
    [
        ("retrieval", "frozen.pth", r"frozen\.pth: the file to write must end in \.safetensors"),
        ("copies", "f.safetensors", "'copies': no use of descriptors; there are: copy, retrieval"),
        (
            "copy",
            "f.safetensors",
            r"embed\.copy\.kind: 'hash' learns nothing from the pool; those that do: .*bootstrap",
        ),
    ],
)
def test_what_cannot_be_frozen_is_said(context: Context, use: str, to: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        describe(context, use, to)

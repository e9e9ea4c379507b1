import json
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import psutil
import pyarrow as pa
import pytest
import torch

from dinov2.errors import ConfigError, DataError, UserError
from dinov2.models import ModelConfig, create_model, load_backbone, save_backbone
from dinov2.models.weights import load_tensors, save_tensors
from dinov2.training.config import TrainingConfig
from dinov2.training.loop import going_along, train
from dinov2.training.stopping import StoppedError
from dinov2.training.work import Place, Work

Works, Places = Callable[..., Work], Callable[..., Place]


class Recorder:
    """A tracker that keeps what it is told."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.rows: dict[int, dict[str, float]] = {}
        self.restored: dict[int, dict[str, float]] = {}

    def restore(self, rows: Mapping[int, dict[str, float]]) -> None:
        self.restored |= rows

    def log(self, step: int, metrics: dict[str, float]) -> None:
        assert metrics["loss"] > 0
        self.steps.append(step)
        self.rows[step] = metrics


class StopAt(Recorder):
    """A tracker that has the process told to stop after a step."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def log(self, step: int, metrics: dict[str, float]) -> None:
        super().log(step, metrics)
        if step == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_run_that_was_stopped_ends_with_the_same_bytes(work: Works, place: Places) -> None:
    whole, broken = work("whole"), work("broken", images_digest="other")
    history = train(whole, place())
    stopped = StopAt(2)
    with pytest.raises(StoppedError, match="saved after step 2 of 6"):
        train(broken, place(), stopped)
    recorder = Recorder()
    again = train(broken, place(), recorder)
    assert recorder.steps == [3, 4, 5, 6]
    assert recorder.restored == stopped.rows
    assert stopped.restored == {}
    assert again.csv() == history.csv()
    assert broken.backbone.read_bytes() == whole.backbone.read_bytes()
    assert broken.training is not None
    assert whole.training is not None
    assert broken.training.read_bytes() == whole.training.read_bytes()


def test_a_stop_that_reaches_the_loading_processes_too_still_saves(work: Works, place: Places) -> None:
    class StopAll(Recorder):
        def log(self, step: int, metrics: dict[str, float]) -> None:
            super().log(step, metrics)
            for process in (*psutil.Process().children(recursive=True), psutil.Process()):
                process.send_signal(signal.SIGTERM)

    broken, here = work("broken"), place(workers=1)
    with pytest.raises(StoppedError, match="saved after step 1 of 6"):
        train(broken, here, StopAll())
    recorder = Recorder()
    train(broken, here, recorder)
    assert recorder.steps == [2, 3, 4, 5, 6]


def test_loading_processes_change_nothing(work: Works, place: Places) -> None:
    alone, helped = work("alone"), work("helped", images_digest="other")
    train(alone, place())
    train(helped, place(workers=2))
    assert alone.backbone.read_bytes() == helped.backbone.read_bytes()


def test_a_finished_run_is_not_done_again(work: Works, place: Places) -> None:
    done, recorder = work("done"), Recorder()
    train(done, place())
    before = done.backbone.read_bytes()
    done.backbone.unlink()
    train(done, place(), recorder)
    assert recorder.steps == []
    assert done.backbone.read_bytes() == before


def test_a_save_that_was_cut_short_is_passed_over(work: Works, place: Places) -> None:
    broken, here = work("broken"), place(checkpoint_seconds=0.0)
    with pytest.raises(StoppedError):
        train(broken, here, StopAt(4))
    here.store.delete(f"training/{broken.digest}/00000004.complete")
    recorder = Recorder()
    train(broken, here, recorder)
    assert recorder.steps == [4, 5, 6]


def test_other_inputs_are_another_run(work: Works, config: TrainingConfig) -> None:
    one = work("one")
    others = [
        replace(one, seed=4),
        replace(one, images_digest="changed"),
        replace(one, start_digest="file"),
        replace(one, teacher_digest="file"),
        replace(one, config=config.model_copy(update={"batch_size": 6})),
    ]
    assert len({run.digest for run in (one, *others)}) == 6
    assert replace(one, backbone=Path("elsewhere")).digest == one.digest


def test_the_average_follows_the_student(work: Works, place: Places) -> None:
    run = work("run")
    train(run, place())
    assert run.training is not None
    tensors, _ = load_tensors(run.training)
    names = [name.removeprefix("teacher.") for name in tensors if name.startswith("teacher.")]
    assert {f"student.{name}" for name in names} <= tensors.keys()
    distances = [float((tensors[f"student.{n}"] - tensors[f"teacher.{n}"]).abs().max()) for n in names]
    assert max(distances) > 0
    backbone = load_backbone(run.backbone).state_dict()
    assert all(torch.equal(value, tensors[f"teacher.backbone.{name}"]) for name, value in backbone.items())


def test_centring_resumes_exactly_too(work: Works, place: Places, config: TrainingConfig) -> None:
    centred = config.model_copy(update={"objective": config.objective.model_copy(update={"targets": "centring"})})
    whole, broken = work("whole", config=centred), work("broken", config=centred, images_digest="other")
    train(whole, place())
    with pytest.raises(StoppedError):
        train(broken, place(), StopAt(3))
    train(broken, place())
    assert whole.backbone.read_bytes() == broken.backbone.read_bytes()


def test_high_resolution_goes_on_from_pretraining_with_more_positions(
    work: Works, place: Places, config: TrainingConfig
) -> None:
    first = work("first")
    train(first, place())
    larger = config.model_copy(update={"crops": config.crops.model_copy(update={"global_size": 48}), "epochs": 2.0})
    second = work("second", config=larger, start=first.training, start_digest="first")
    train(second, place())
    model = load_backbone(second.backbone)
    assert model.pos_embed.shape == (1, 1 + 36, 32)
    start, end = load_backbone(first.backbone), model
    assert torch.nn.functional.cosine_similarity(start.norm.weight, end.norm.weight, dim=0) > 0.99


def test_a_student_learns_from_a_frozen_teacher(work: Works, place: Places, config: TrainingConfig) -> None:
    first = work("first")
    train(first, place())
    assert first.training is not None
    before = first.training.read_bytes()
    small = ModelConfig(arch="vit_tiny", embed_dim=16, depth=1, num_heads=1, patch_size=8)
    told = {"config": config.model_copy(update={"model": small}), "teacher": first.training, "teacher_digest": "first"}
    pupil = work("pupil", training=None, **told)
    history = train(pupil, place())
    assert first.training.read_bytes() == before
    assert load_backbone(pupil.backbone).embed_dim == 16
    assert history.rows[-1]["ibot"] > 0


def test_a_backbone_without_heads_teaches_through_its_own_tokens(work: Works, place: Places, tmp_path: Path) -> None:
    torch.manual_seed(0)
    backbone = create_model("vit_tiny", img_size=64, patch_size=8, embed_dim=64, depth=2, num_heads=1, layerscale=1.0)
    torch.save(backbone.state_dict(), tmp_path / "released.pth")
    given = {"teacher": tmp_path / "released.pth", "teacher_digest": "released", "training": None}
    whole, broken = work("whole", **given), work("broken", images_digest="other", **given)
    history = train(whole, place())
    assert all(row["prototypes_used"] > 4 for row in history.rows)
    with pytest.raises(StoppedError):
        train(broken, place(), StopAt(3))
    train(broken, place())
    assert whole.backbone.read_bytes() == broken.backbone.read_bytes()


def test_a_teacher_of_other_patches_or_prototypes_is_refused(
    work: Works, place: Places, config: TrainingConfig, tmp_path: Path
) -> None:
    save_backbone(tmp_path / "coarse.safetensors", create_model("vit_tiny", img_size=32, patch_size=16, depth=1))
    with pytest.raises(DataError, match=r"a teacher with patches of 16 pixels; model\.patch_size is 8"):
        train(work("coarse", teacher=tmp_path / "coarse.safetensors"), place())
    first = work("first", config=config.model_copy(update={"epochs": 2.0}))
    train(first, place())
    heads = config.heads.model_copy(update={"prototypes": 30})
    with pytest.raises(DataError, match=r"a teacher of 24 prototypes; heads\.prototypes is 30"):
        train(work("other", teacher=first.training, config=config.model_copy(update={"heads": heads})), place())
    assert first.training is not None
    tensors, metadata = load_tensors(first.training)
    changed = json.loads(metadata["config"]) | {"colour": "blue"}
    save_tensors(tmp_path / "later.safetensors", tensors, {"config": json.dumps(changed)})
    with pytest.raises(ConfigError, match=r"later\.safetensors: colour: no such parameter"):
        train(work("later", teacher=tmp_path / "later.safetensors"), place())


def test_students_that_learn_together_become_what_they_become_alone(
    work: Works, place: Places, config: TrainingConfig
) -> None:
    first = work("first")
    train(first, place())
    told = {"teacher": first.training, "teacher_digest": "first", "training": None}
    small, smaller = (
        work(name, config=config.model_copy(update={"model": _student(width)}), **told)
        for name, width in (("small", 24), ("smaller", 16))
    )
    apart = [replace(each, images_digest=f"apart {each.name}", backbone=each.backbone.with_stem(f"{each.name}-apart"))
             for each in (small, smaller)]  # fmt: skip
    for each in apart:
        train(each, place())

    here = place(checkpoint_seconds=0.0)
    assert [other.name for other in going_along(small, [smaller], here.store)] == ["smaller"]
    with pytest.raises(StoppedError, match="small, smaller: told to stop; saved after step 3 of 6"):
        train(small, here, StopAt(3), [(smaller, None)])
    train(small, here, None, [(smaller, None)])
    assert not smaller.backbone.exists()
    assert going_along(smaller, [small], here.store) == []
    recorder = Recorder()
    train(smaller, here, recorder)
    assert recorder.steps == []
    for together, alone in zip((small, smaller), apart, strict=True):
        assert together.backbone.read_bytes() == alone.backbone.read_bytes()


def test_a_student_at_another_step_is_left_alone_with_all_that_it_remembers(
    work: Works, place: Places, config: TrainingConfig
) -> None:
    first = work("first")
    train(first, place())
    told = {"teacher": first.training, "teacher_digest": "first", "training": None}
    centred = {"objective": config.objective.model_copy(update={"targets": "centring"})}
    small, ahead = (
        work(name, config=config.model_copy(update=centred | {"model": _student(width)}), **told)
        for name, width in (("small", 24), ("ahead", 16))
    )
    alone = replace(small, images_digest="alone", backbone=small.backbone.with_stem("alone"))
    train(alone, place())
    here = place(checkpoint_seconds=0.0)
    with pytest.raises(StoppedError):
        train(small, here, StopAt(4), [(ahead, None)])
    here.store.delete(f"training/{small.digest}/00000004.complete")
    recorder = Recorder()
    train(small, here, None, [(ahead, recorder)])
    assert recorder.steps == []
    assert small.backbone.read_bytes() == alone.backbone.read_bytes()


def _student(width: int) -> ModelConfig:
    return ModelConfig(arch="vit_tiny", embed_dim=width, depth=1, num_heads=1, patch_size=8)


def test_a_head_used_twice_is_written_and_gone_on_from(work: Works, place: Places, config: TrainingConfig) -> None:
    shared = config.model_copy(update={"heads": config.heads.model_copy(update={"shared": True}), "epochs": 2.0})
    first = work("first", config=shared)
    train(first, place())
    second = work("second", config=shared, start=first.training, start_digest="first")
    train(second, place())
    assert second.training is not None
    tensors, _ = load_tensors(second.training)
    for part in ("mlp.0.weight", "last_layer.weight_v"):
        assert torch.equal(tensors[f"student.dino_head.{part}"], tensors[f"student.ibot_head.{part}"])


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_changed_since_ingest_is_named_in_one_line(
    workers: int, work: Works, place: Places, images: pa.Table
) -> None:
    other = images.set_column(3, "sha256", pa.array(["0" * 64] * len(images)))
    with pytest.raises(DataError, match=r"^\d\d\.png: its bytes are not those of the manifest any more; run [^\n]+$"):
        train(work("changed", images=other), place(workers=workers))


def test_no_images_and_a_missing_start_are_told(work: Works, place: Places, images: pa.Table, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none: the training manifest has no images"):
        train(work("none", images=images.slice(0, 0)), place())
    with pytest.raises(DataError, match=r"gone\.safetensors: no such weights file"):
        train(work("start", start=tmp_path / "gone.safetensors"), place())


def test_a_loss_that_is_not_finite_stops_the_run_before_it_spoils_the_weights(
    work: Works, place: Places, config: TrainingConfig
) -> None:
    wild = config.optimiser.model_copy(update={"base_lr": 1e30, "warmup_epochs": 0.0})
    run = work("wild", config=config.model_copy(update={"optimiser": wild}))
    with pytest.raises(UserError, match=r"wild: step \d: a loss or gradient is not finite"):
        train(run, place())
    assert not run.backbone.exists()

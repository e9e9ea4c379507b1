"""How much arithmetic stages are, as far as the parameters and the files that are there tell."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow.parquet as pq

from dinov2.curation.config import BackboneConfig, BootstrapConfig, DescriptorConfig
from dinov2.models import VisionTransformer
from dinov2.stages import files
from dinov2.stages.bootstrap import training_of
from dinov2.stages.context import Context
from dinov2.stages.params import Params
from dinov2.stages.plan.outlook import Outlook
from dinov2.training.config import TrainingConfig
from dinov2.training.flops import backbone_of, forward_flops, step_flops


@dataclass(frozen=True)
class Effort:
    """What there is to compute.

    Attributes:
        flops: FLOP of training, and of networks that describe images; None if that is not known.
        note: why it is not, or what else there is to say of it.
    """

    flops: float | None
    note: str = ""


def training(config: TrainingConfig) -> Effort:
    """Of a whole run whose average teaches."""
    return Effort(config.iterations * step_flops([config]))


def config_of(params: Params, stage: str, item: Sequence[str]) -> TrainingConfig:
    """What `pretrain`, `highres` or `distill` of a student trains."""
    if stage == "pretrain":
        return params.pretrain
    highres = params.highres.training(params.pretrain)
    return highres if stage == "highres" else params.distill.training(item[0], highres)


def distilling(params: Params, outlook: Outlook, together: Sequence[Outlook]) -> Effort:
    """Of one student's run; the first of those that are trained together has the work of all."""
    if outlook != together[0]:
        return Effort(0.0, f"trained along with {together[0].name}")
    teacher = _teacher(params)
    if teacher is None:
        return Effort(None, f"which architecture {params.distill.teacher} has is not known before it is read")
    students = [config_of(params, other.stage, other.item) for other in together]
    return Effort(students[0].iterations * step_flops(students, teacher))


def describing(params: Params, manifest: int | None) -> Effort:
    """Of describing all images by both descriptors.

    Args:
        params: the parameters.
        manifest: images; None if that is not known yet.
    """
    embed = params.embed
    used = {embed.copy_: "embed.copy", embed.retrieval: "embed.retrieval"}
    costs = [_of_an_image(params, name, config) for config, name in used.items()]
    reasons = [cost for cost in costs if isinstance(cost, str)]
    if manifest is None:
        reasons = ["the number of images is not known before ingest", *reasons]
    if reasons or manifest is None:
        return Effort(None, "; ".join(reasons))
    return Effort(manifest * sum(cost for cost in costs if not isinstance(cost, str)))


def images_of(context: Context, outlook: Outlook) -> int | None:
    """Rows of the manifest, if it is there and stays as it is."""
    path = context.path(files.MANIFEST)
    return pq.read_metadata(path).num_rows if outlook.made and path.is_file() else None


def _of_an_image(params: Params, name: str, config: DescriptorConfig) -> float | str:
    """FLOP of describing an image, or why they are not known."""
    match config:
        case BootstrapConfig():
            side = config.resolution or params.pretrain.crops.global_size
            return forward_flops(backbone_of(training_of(config, params.pretrain)), side)
        case BackboneConfig():
            return f"which architecture {name}.weights has is not known before it is read"
        case _:
            return f"what {name} of kind {config.kind} computes is not counted"


def _teacher(params: Params) -> VisionTransformer | None:
    """The frozen teacher's architecture, if it is one of those that are trained here."""
    own = {files.training(stage): config_of(params, stage, ()) for stage in ("pretrain", "highres")}
    config = own.get(params.distill.teacher)
    return backbone_of(config) if config else None

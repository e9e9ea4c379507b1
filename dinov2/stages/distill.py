"""distill: a smaller student that learns from the frozen high-resolution teacher."""

from dataclasses import replace

from dinov2.errors import ConfigError
from dinov2.stages import files
from dinov2.stages.context import Context
from dinov2.stages.training_images import training_images
from dinov2.stages.training_job import run_as_job
from dinov2.storage import file_sha256
from dinov2.training.work import Work


def work(context: Context, student: str) -> Work:
    """One student's training.

    Raises:
        ConfigError: there is no such student, or no such teacher.
    """
    params = context.params
    if student not in params.distill.students:
        raise ConfigError(f"distill: student {student!r}; distill.students are: {', '.join(params.distill.students)}")
    (images, digest), teacher = training_images(context), context.given("distill.teacher", params.distill.teacher)
    return Work(
        name=student,
        config=params.distill.training(student, params.highres.training(params.pretrain)),
        seed=params.seed,
        images=images,
        images_digest=digest,
        backbone=context.path(files.weights(student)),
        teacher=teacher,
        teacher_digest=file_sha256(teacher),
    )


def beside(context: Context, student: str) -> list[Work]:
    """The other students, for which the teacher's pass over each batch will do too."""
    if context.settings.distill == "apart":
        return []
    params, own = context.params, work(context, student)
    return [
        replace(
            own,
            name=other,
            config=params.distill.training(other, params.highres.training(params.pretrain)),
            backbone=context.path(files.weights(other)),
        )
        for other in params.distill.students
        if other != student
    ]


def run(context: Context, item: str) -> None:
    """curated.parquet and the teacher's networks to the student's weights, loss curve and final figures.

    The first student's run trains the others too; theirs then find that all is done.
    """
    run_as_job(context, "distill", item)

"""What a model sees, to be looked at: one file a picture, each from arrays, all of a bounded size."""

from dinov2.evaluation.pictures.picture import Picture, beside

__all__ = ["Picture", "beside"]

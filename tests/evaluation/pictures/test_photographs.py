import numpy as np

from dinov2.evaluation.datasets import labelled_sets
from dinov2.evaluation.pictures.photographs import centres, photographs, pictured


def test_test_images_of_every_class_are_pictured(manifest):
    rows = pictured(labelled_sets(manifest, ()).usable, manifest, 4)
    assert [row["label"] for row in rows] == ["bright", "bright", "dark", "dark"]
    assert {row["split"] for row in rows} == {"test"}
    assert len(pictured(labelled_sets(manifest, ()).usable, manifest, 100)) == 16


def test_without_labels_images_are_taken_from_all_over(manifest):
    rows = pictured([], manifest, 3)
    keys = manifest["key"].to_pylist()
    assert [row["key"] for row in rows] == [keys[0], keys[24], keys[-1]]


def test_the_centre_is_as_large_as_fits(manifest, reader):
    assert photographs(reader, manifest.to_pylist()[:3], 32).shape == (3, 32, 32, 3)
    stripes = np.zeros((20, 60, 3), np.uint8)
    stripes[:, 20:40] = 200
    assert (centres([stripes], 20) == 200).all()

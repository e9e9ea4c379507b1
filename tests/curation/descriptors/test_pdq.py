"""PDQ against the mathematics of the cosine transform."""

from collections.abc import Callable

import cv2
import numpy as np
import scipy.fft

from dinov2.curation.descriptors.pdq import PdqDescriptor


def test_bits_are_those_of_the_cosine_transform_above_its_median(picture: Callable) -> None:
    image = picture(1, 64, 64)
    light = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float64)
    spectrum = scipy.fft.dctn(light)[1:17, 1:17].ravel()
    expected = np.where(spectrum > np.median(spectrum), 1, -1) / 16
    np.testing.assert_array_equal(PdqDescriptor().embed([image])[0], expected)


def test_half_of_the_bits_are_set_and_the_cosine_counts_differences(picture: Callable) -> None:
    vectors = PdqDescriptor().embed([picture(1), picture(2)])
    assert (vectors > 0).sum(axis=1).tolist() == [128, 128]
    different = int(((vectors[0] > 0) != (vectors[1] > 0)).sum())
    assert vectors[0] @ vectors[1] == 1 - 2 * different / 256


def test_31_bits_are_a_copy_and_32_are_none() -> None:
    above = PdqDescriptor().copies_above
    assert 1 - 2 * 32 / 256 < above < 1 - 2 * 31 / 256


def test_compressed_and_small_copies_are_found_and_other_pictures_are_not(picture: Callable) -> None:
    descriptor = PdqDescriptor()
    originals = [picture(seed) for seed in range(20)]
    small = [cv2.resize(image, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA) for image in originals]
    cosines = descriptor.embed(small) @ descriptor.embed(originals).T
    assert np.diag(cosines).min() > descriptor.copies_above
    assert cosines[~np.eye(20, dtype=bool)].max() < descriptor.copies_above

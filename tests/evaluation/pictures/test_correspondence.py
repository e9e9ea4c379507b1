import numpy as np

from dinov2.evaluation.pictures.correspondence import MATCHES, Matches, apart, correspondence_picture, mutual
from dinov2.evaluation.pictures.pca import subject


def pair() -> np.ndarray:
    """(2, 8, 8, 20): a subject of 4 × 4 unlike patches on plain ground, turned upside down in the second image."""
    generator = np.random.default_rng(0)
    found = np.tile(generator.normal(size=20), (2, 8, 8, 1))
    subject = generator.normal(size=20) * 5 + generator.normal(size=(4, 4, 20))
    found[0, 2:6, 2:6], found[1, 2:6, 2:6] = subject, subject[::-1]
    return found + 0.001 * generator.normal(size=found.shape)


def test_the_parts_of_the_subject_find_each_other_and_the_ground_takes_no_part():
    found = mutual(*pair())
    assert len(found.cosine) == 16
    np.testing.assert_array_equal(found.second, found.first * (-1, 1) + (7, 0))
    assert (np.diff(found.cosine) <= 0).all()
    assert found.cosine[-1] > 0.99


def test_matches_are_those_of_brute_force():
    pair = np.random.default_rng(1).normal(size=(2, 6, 6, 8))
    ours, theirs = (
        {tuple(place): tokens[tuple(place)] for place in np.argwhere(score > 0).tolist()}
        for tokens, score in zip(pair, subject(pair), strict=True)
    )

    def nearest(token: np.ndarray, among: dict[tuple, np.ndarray]) -> tuple:
        return max(among, key=lambda place: token @ among[place] / np.linalg.norm(among[place]))

    there = {place: nearest(token, theirs) for place, token in ours.items()}
    expected = {(place, match) for place, match in there.items() if nearest(theirs[match], ours) == place}
    found = mutual(*pair)
    assert {(tuple(a), tuple(b)) for a, b in zip(found.first.tolist(), found.second.tolist(), strict=True)} == expected
    assert len(expected) > 3


def test_equal_patches_match_nothing():
    assert len(mutual(np.ones((4, 4, 6)), np.ones((4, 4, 6))).cosine) == 0


def test_what_is_drawn_lies_apart_and_the_most_alike_is_first():
    places = np.stack(np.meshgrid(range(20), range(20)), axis=-1).reshape(-1, 2)
    matches = Matches(places, places, np.linspace(1, 0, 400))
    chosen = apart(matches, 3.0)
    assert chosen[0] == 0
    assert len(chosen) == MATCHES
    shown = places[chosen]
    distance = np.linalg.norm(shown[:, None] - shown, axis=2) + 99 * np.eye(len(shown))
    assert distance.min() >= 3


def test_lines_join_the_two_images():
    images = np.zeros((2, 64, 64, 3), np.uint8)
    found = correspondence_picture(images, pair(), [(0, 1)])
    pixels = np.asarray(found.rows["pair 1"])
    assert pixels[:, 512 + 16, 3].any()  # between the images there are lines alone
    assert not pixels[0, 512 + 16, 3]
    assert found.note == "16 patches of the subjects match"

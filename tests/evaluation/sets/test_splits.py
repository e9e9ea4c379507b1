import numpy as np

from dinov2.evaluation.sets.splits import apart, by_hash


def test_a_fifth_of_every_class_is_for_testing_and_never_all_of_it():
    labels = ["a"] * 100 + ["b"] * 10 + ["c"] * 2 + ["d"]
    held = by_hash([f"{label}/{number}" for number, label in enumerate(labels)], labels)
    found = {label: int(held[np.array(labels) == label].sum()) for label in "abcd"}
    assert found == {"a": 20, "b": 2, "c": 1, "d": 0}


def test_the_split_depends_on_keys_alone_and_not_on_their_order():
    keys = [f"x/{number}" for number in range(50)]
    held = by_hash(keys, ["x"] * 50)
    assert set(np.array(keys)[held]) == set(np.array(keys[::-1])[by_hash(keys[::-1], ["x"] * 50)])
    assert 0 < np.flatnonzero(held).mean() < 49
    assert (np.diff(np.flatnonzero(held)) > 1).any()


def test_one_more_image_moves_at_most_one_other():
    keys = [f"x/{number}" for number in range(60)]
    before = set(np.array(keys)[by_hash(keys, ["x"] * 60)])
    more = [*keys, "x/new"]
    after = set(np.array(more)[by_hash(more, ["x"] * 61)])
    assert len(before ^ (after - {"x/new"})) <= 1


def test_clips_of_one_recording_stay_together():
    groups = [f"g{number // 4}" for number in range(40)]
    held = by_hash([str(number) for number in range(40)], ["x"] * 40, groups)
    assert held.sum() == 8
    assert all(len(set(held[start : start + 4])) == 1 for start in range(0, 40, 4))


def sides(keys):
    return [set(np.array(keys)[side]) for side in apart(keys)]


def test_frames_are_divided_in_two_stretches_with_a_gap():
    train, test = sides([f"rgb/{number}.jpg" for number in range(159, -1, -1)])
    assert train == {f"rgb/{number}.jpg" for number in range(120)}
    assert test == {f"rgb/{number}.jpg" for number in range(128, 160)}


def test_every_recording_has_a_stretch_of_each():
    train, test = sides([f"{name}_{number:02d}.png" for name in ("0001TP", "0016E5") for number in range(20)])
    assert train == {f"{name}_{number:02d}.png" for name in ("0001TP", "0016E5") for number in range(15)}
    assert test == {f"{name}_{number:02d}.png" for name in ("0001TP", "0016E5") for number in range(16, 20)}


def test_what_is_no_recording_is_divided_by_hash():
    keys = [f"{letter}{other}/photo.jpg" for letter in "abcde" for other in "vwxyz"] + ["x/1.jpg", "x/2.jpg"]
    train, test = sides(keys)
    assert (train | test, train & test) == (set(keys), set())
    assert test == set(np.array(keys)[by_hash(keys, [""] * len(keys))])

import numpy as np

from dinov2.evaluation.pictures.neighbours import RIGHT, WRONG, neighbour_picture
from dinov2.evaluation.pictures.picture import GAP
from dinov2.evaluation.pictures.tiles import side_of


def test_each_query_is_followed_by_what_was_found_framed_by_whether_it_is_right():
    asked: list[int] = []

    def read(number: int) -> np.ndarray:
        asked.append(number)
        return np.full((50, 50, 3), number, np.uint8)

    queries = [np.full((40, 80, 3), 250, np.uint8)] * 2
    right = np.array([[True, False], [True, True]])
    found = neighbour_picture(queries, np.array([[7, 9], [3, 4]]), right, read)
    assert list(found.rows) == ["query 1", "query 2"]
    assert asked == [7, 9, 3, 4]
    assert found.note == "3 of 4 right"
    pixels, side = np.asarray(found.rows["query 1"]), side_of(3)
    first, second = (number * (side + GAP) for number in (1, 2))
    assert tuple(pixels[0, first]) == (*RIGHT, 255)
    assert tuple(pixels[0, second]) == (*WRONG, 255)
    assert pixels[side // 2, second + side // 2].tolist() == [9, 9, 9, 255]

import pytest

from dinov2.data.order import image_at


@pytest.mark.parametrize("count", [1, 2, 3, 5, 64, 100, 1013])
@pytest.mark.parametrize("epoch", [0, 3])
def test_every_epoch_shows_every_image_once(count: int, epoch: int) -> None:
    shown = [image_at(position, count, seed=7) for position in range(epoch * count, (epoch + 1) * count)]
    assert sorted(image for image, _ in shown) == list(range(count))
    assert {number for _, number in shown} == {epoch}


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    def order(epoch: int, seed: int) -> list[int]:
        return [image_at(epoch * 500 + slot, 500, seed)[0] for slot in range(500)]

    orders = [order(0, 0), order(1, 0), order(0, 1)]
    for number, one in enumerate(orders):
        for other in orders[number + 1 :]:
            assert sum(a == b for a, b in zip(one, other, strict=True)) < 10


def test_a_billion_images_need_no_list() -> None:
    image, epoch = image_at(10**9 + 12345, 10**9, seed=0)
    assert 0 <= image < 10**9
    assert epoch == 1


def test_images_are_spread_evenly_over_an_epoch() -> None:
    early = [image_at(position, 10_000, seed=3)[0] for position in range(1000)]
    by_tenth = [sum(image // 1000 == tenth for image in early) for tenth in range(10)]
    assert max(by_tenth) < 140
    assert min(by_tenth) > 65

from dinov2.registry.figures import figures, is_figure


def score(value: float) -> dict[str, float]:
    return {"accuracy": value, "low": value - 0.125, "high": value + 0.125, "k10": 0.9}


def test_every_set_and_protocol_has_its_accuracy_interval_and_controls() -> None:
    scores = {"model": score(0.75), "random": score(0.5), "pixels": score(0.25)}
    metrics = {"datasets": {"birds": {"chance": 0.1, "test": 20, "protocols": {"knn": scores, "linear": scores}}}}
    one = {"accuracy": 0.75, "low": 0.625, "high": 0.875, "random": 0.5, "pixels": 0.25}
    expected = {f"birds.{protocol}.{name}": value for protocol in ("knn", "linear") for name, value in one.items()}
    assert figures(metrics) == {"birds.chance": 0.1, **expected}


def test_without_labelled_sets_there_are_none() -> None:
    assert figures({"datasets": {}}) == {}


def test_other_sets_have_every_metric_with_what_stands_beside_it() -> None:
    numbers = {"camvid": {"segmentation": {"miou": {"value": 0.5, "low": 0.4, "high": 0.6, "random": 0.1}}}}
    own = "camvid.segmentation.miou"
    expected = {own: 0.5, f"{own}.low": 0.4, f"{own}.high": 0.6, f"{own}.random": 0.1}
    assert figures({"datasets": {}, "numbers": numbers}) == expected
    assert [name for name in expected if is_figure(name)] == [own]


def test_a_metric_is_told_from_what_stands_beside_it_whatever_its_name_holds() -> None:
    odd = {"cars": {"robustness": {"accuracy_v1.5": {"value": 0.5, "low": 0.4, "high": 0.6}}}}
    assert [name for name in figures({"datasets": {}, "numbers": odd}) if is_figure(name)] == [
        "cars.robustness.accuracy_v1_5"
    ]
    beside = ("birds.knn.low", "birds.knn.high", "birds.knn.random", "birds.knn.pixels", "birds.chance", "loss")
    assert not any(map(is_figure, beside))
    assert is_figure("birds.knn.accuracy")

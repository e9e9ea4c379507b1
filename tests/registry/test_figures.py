from dinov2.registry.figures import figures


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

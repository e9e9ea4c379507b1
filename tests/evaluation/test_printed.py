from dinov2.evaluation import printed


def test_values_have_their_units():
    assert printed.value("miou", 0.4901) == "49.0%"
    assert printed.value("rmse", 0.34449) == "0.344 m"
    assert printed.value("abs_rel", 0.09) == "0.090"


def test_the_unit_of_an_interval_is_that_of_its_value():
    assert printed.interval("rmse", 0.3, 0.41) == "0.300–0.410"
    assert printed.interval("accuracy", 0.5, 1.0) == "50.0–100.0"


def test_differences_have_signs_and_of_shares_they_are_points():
    assert printed.gain("accuracy", 0.0123) == "+1.2 points"
    assert printed.gain("rmse", -0.0321) == "−0.032 m"
    assert printed.gain("abs_rel", 0) == "+0.000"
    assert printed.reach("map", -0.01, 0.025) == "−1.0 to +2.5"

"""What pods are told of the caller's environment."""

import pytest

from dinov2.errors import ConfigError
from dinov2.launch.kubernetes.environment import CARRIED, pod_environment
from dinov2.settings import Settings

REACHED = {"store": "s3://bucket/store", "tracking": "http://mlflow:5000"}


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CARRIED:
        monkeypatch.delenv(name, raising=False)


def test_settings_that_were_given_go_along_and_those_of_this_machine_stay() -> None:
    given = {"compile": True, "microbatch": 4, "checkpoint_seconds": 1.5, "device": "cpu", "processes": 2, "threads": 3}
    assert pod_environment(Settings(**REACHED, **given)) == {
        "DINOV2_STORE": "s3://bucket/store",
        "DINOV2_TRACKING": "http://mlflow:5000",
        "DINOV2_COMPILE": "true",
        "DINOV2_MICROBATCH": "4",
        "DINOV2_CHECKPOINT_SECONDS": "1.5",
    }


def test_a_pod_reads_the_settings_that_the_caller_has(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Settings(**REACHED, recompute=True, attention="sdpa", distill="apart", checkpoint_keep=3)
    for name, value in pod_environment(own).items():
        monkeypatch.setenv(name, value)
    assert Settings() == own


def test_where_s3_is_goes_along_but_no_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "hunter2")
    found = pod_environment(Settings(**REACHED))
    assert found["AWS_ENDPOINT_URL"] == "http://127.0.0.1:9000"
    assert found["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"store": "var/store"}, "DINOV2_STORE: 'var/store': pods cannot reach it; wanted: s3://bucket/prefix"),
        (
            {"checkpoints": "var/kept"},
            "DINOV2_CHECKPOINTS: 'var/kept': pods cannot reach it; wanted: s3://bucket/prefix",
        ),
        ({"tracking": "sqlite:///var/mlflow.db"}, "DINOV2_TRACKING: 'sqlite:///var/mlflow.db': pods cannot reach it"),
        ({"tracking": "file:///var/mlruns"}, "DINOV2_TRACKING: 'file:///var/mlruns': pods cannot reach it"),
        ({"tracking": "/var/mlruns"}, "DINOV2_TRACKING: '/var/mlruns': pods cannot reach it"),
        ({"tracking": "postgresql://db/mlflow"}, "DINOV2_ARTIFACTS: 'var/mlflow-artifacts': pods cannot reach it"),
    ],
)
def test_a_place_that_no_pod_can_reach_is_refused(settings: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        pod_environment(Settings(**(REACHED | settings)))
    assert told in str(error.value)


def test_a_path_may_be_that_of_a_mounted_volume() -> None:
    assert pod_environment(Settings(**(REACHED | {"store": "/mnt/store"})))["DINOV2_STORE"] == "/mnt/store"


def test_a_server_keeps_its_artifacts_itself() -> None:
    assert "DINOV2_ARTIFACTS" not in pod_environment(Settings(**REACHED, artifacts="var/elsewhere"))


@pytest.mark.parametrize("name", ["store", "tracking"])
def test_a_url_with_a_password_is_refused_and_not_repeated(name: str) -> None:
    settings = REACHED | {name: "https://me:hunter2@example.com"}
    with pytest.raises(ConfigError, match=f"DINOV2_{name.upper()}: its URL has a user or password") as error:
        pod_environment(Settings(**settings))
    assert "hunter2" not in str(error.value)

"""The client of a cluster: what it refuses is told in one line, and a server that restarts is waited for."""

import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml

from dinov2.errors import ConfigError, UserError
from dinov2.launch.kubernetes.client import Cluster, UnreachableError
from tests import lab
from tests.flows.conftest import wait_for
from tests.launch.kubernetes.conftest import Place, make_job
from tests.launch.kubernetes.proxy import wire

on_a_cluster = [pytest.mark.cluster, pytest.mark.slow]


def other_config(folder: Path, kubeconfig: Path, server: str = "", token: str = "") -> Path:
    """A kubeconfig like the administrator's, for another address or another user."""
    content = yaml.safe_load(kubeconfig.read_text())
    content["clusters"][0]["cluster"]["server"] = server or content["clusters"][0]["cluster"]["server"]
    if token:
        content["users"][0]["user"] = {"token": token}
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    return path


def port_of(kubeconfig: Path) -> int:
    """Where the API server of a kubeconfig listens."""
    return int(yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"].rpartition(":")[2])


def test_nobody_else_pays_for_importing_the_official_client() -> None:
    script = "import sys, dinov2.launch.kubernetes; sys.exit('kubernetes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_no_cluster_at_all_names_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match=rf"^no Kubernetes cluster: KUBECONFIG={tmp_path}/nowhere: [^\n]+$"):
        Cluster("default")


def test_a_server_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    user = {"name": "u", "user": {"token": "t"}}
    cluster = {"name": "c", "cluster": {"server": "https://127.0.0.1:9"}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    content = {"clusters": [cluster], "users": [user], "contexts": [context], "current-context": "x"}
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(content))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    with pytest.raises(UnreachableError, match=r"^the Kubernetes API at https://127.0.0.1:9 does not answer: [^\n]+$"):
        Cluster("default", patience=0.3).job("any")


class TestOnACluster:
    pytestmark = on_a_cluster

    def test_what_is_there_already_or_not_there_is_no_error(self, place: Place) -> None:
        assert place.cluster.job("none") is None
        place.cluster.delete("Job", "none")
        job = make_job("one", "true")
        assert place.cluster.create(job)
        assert not place.cluster.create(job)
        found = place.cluster.job("one")
        assert found
        assert found["spec"]["completionMode"] == "Indexed"

    @pytest.mark.usefixtures("place")
    def test_a_namespace_that_is_missing_is_named_with_the_key_to_change(self) -> None:
        with pytest.raises(ConfigError, match=r"^k8s/jobs.yaml: namespace: 'elsewhere': .* no such namespace$"):
            Cluster("elsewhere").create(make_job("one", "true"))

    def test_a_manifest_that_the_cluster_does_not_take_is_told_in_its_words(self, place: Place) -> None:
        with pytest.raises(UserError, match=r"refuses: Job.batch \"one\" is invalid: spec.template.spec.restartPolicy"):
            place.cluster.create(make_job("one", "true", pod={"restartPolicy": "Always"}))

    def test_a_forbidden_verb_names_verb_resource_namespace_and_who(
        self, place: Place, cluster: lab.Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        account = {"metadata": {"name": "weak"}}
        place.core.create_namespaced_service_account(place.namespace, account, _preload_content=False)
        token = place.core.create_namespaced_service_account_token(
            "weak", place.namespace, {"spec": {"audiences": None}}, _preload_content=False
        )
        path = other_config(tmp_path, cluster.kubeconfig, token=yaml.safe_load(token.data)["status"]["token"])
        monkeypatch.setenv("KUBECONFIG", str(path))
        with pytest.raises(ConfigError) as refused:
            Cluster(place.namespace).create(make_job("one", "true"))
        for word in ("cannot create", '"jobs"', f'"{place.namespace}"', f"serviceaccount:{place.namespace}:weak"):
            assert word in str(refused.value)
        assert str(refused.value).endswith("; the Role of k8s/ allows exactly what is needed")
        assert "\n" not in str(refused.value)

    def test_credentials_that_nobody_knows_are_named_by_their_file(
        self, place: Place, cluster: lab.Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        path = other_config(tmp_path, cluster.kubeconfig, token="forged")
        monkeypatch.setenv("KUBECONFIG", str(path))
        with pytest.raises(ConfigError, match=re.escape(f"does not know these credentials (KUBECONFIG={path})")):
            Cluster(place.namespace).pods("any")

    def test_a_server_that_restarts_is_waited_for(
        self, place: Place, cluster: lab.Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        with wire(port_of(cluster.kubeconfig)) as line:
            path = other_config(tmp_path, cluster.kubeconfig, server=f"https://127.0.0.1:{line.port}")
            monkeypatch.setenv("KUBECONFIG", str(path))
            through = Cluster(place.namespace)
            assert through.pods("any") == []
            line.refuse()
            before = line.connections
            timer = threading.Timer(2.0, lambda: line.refuse(False))
            timer.start()
            assert through.create(make_job("one", "true"))
            assert line.connections > before + 2, "it came again and again"
            timer.join()

    def test_a_log_is_its_lines_from_the_first(self, place: Place) -> None:
        place.cluster.create(make_job("one", "echo first; echo second; printf third"))
        wait_for(lambda: any(pod["status"]["phase"] == "Succeeded" for pod in place.pods("one")))
        pod = place.pods("one")[0]["metadata"]["name"]
        assert list(place.cluster.log(pod, "worker")) == [b"first\n", b"second\n", b"third"]
        assert list(place.cluster.log("gone", "worker")) == []

    def test_a_log_that_says_nothing_is_given_up(self, place: Place) -> None:
        place.cluster.create(make_job("one", "echo first; sleep 600"))
        wait_for(lambda: place.pods("one", running=True))
        pod = place.pods("one")[0]["metadata"]["name"]
        started = time.monotonic()
        lines = iter(place.cluster.log(pod, "worker", follow=True, idle=1.0))
        assert next(lines) == b"first\n"
        with pytest.raises(ConnectionError):
            next(lines)
        assert time.monotonic() - started < 30

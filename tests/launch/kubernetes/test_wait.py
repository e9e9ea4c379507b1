import socket

import pytest

from dinov2.launch.kubernetes import wait


def test_it_waits_until_the_name_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([socket.gaierror("not known"), socket.gaierror("not known"), ["127.0.0.1"]])

    def getaddrinfo(*_: object) -> list[str]:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(wait, "EVERY_S", 0.0)
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert wait.wait_for("try-0.try", 60)
    assert next(answers, None) is None


def test_it_gives_up_and_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(wait, "EVERY_S", 0.0)
    monkeypatch.setenv("DINOV2_RENDEZVOUS_SECONDS", "0")
    assert wait.main("no-such-host.invalid") == 0  # its pod may have ended well: the worker finds out
    assert "no-such-host.invalid: the cluster's DNS does not know it after 0 s" in capsys.readouterr().err


def test_a_known_name_needs_no_waiting() -> None:
    assert wait.main("localhost") == 0

"""Messages arrive in order, once or again, or are kept."""

import json
import threading
from pathlib import Path

import pytest

from dinov2.registry.outbox import Message, Outbox

FAILURES = (ConnectionError,)


def test_messages_arrive_in_order(tmp_path: Path) -> None:
    got: list[Message] = []
    outbox = Outbox(got.extend, FAILURES, tmp_path / "kept")
    for number in range(100):
        outbox.post({"number": number})
    assert outbox.close(within=10) == 0
    assert [message["number"] for message in got] == list(range(100))
    assert not (tmp_path / "kept").exists()


def test_a_failure_that_passes_loses_nothing(tmp_path: Path) -> None:
    got: list[Message] = []
    failed = threading.Event()

    def send(messages: list[Message]) -> None:
        if not failed.is_set():
            failed.set()
            raise ConnectionError("away")
        got.extend(messages)

    outbox = Outbox(send, FAILURES, tmp_path / "kept")
    outbox.post({"number": 0})
    assert failed.wait(5)
    outbox.post({"number": 1})
    assert outbox.close(within=10) == 0
    assert got == [{"number": 0}, {"number": 1}]


def test_what_is_not_delivered_is_kept_and_goes_first_next_time(tmp_path: Path) -> None:
    def refuse(_messages: list[Message]) -> None:
        raise ConnectionError("away")

    kept = tmp_path / "kept"
    outbox = Outbox(refuse, FAILURES, kept)
    outbox.post({"number": 0})
    assert outbox.close(within=0.1) == 1
    assert json.loads(kept.read_text()) == {"number": 0}
    assert isinstance(outbox.last_failure, ConnectionError)
    got: list[Message] = []
    again = Outbox(got.extend, FAILURES, kept)
    again.post({"number": 1})
    assert again.close(within=10) == 0
    assert got == [{"number": 0}, {"number": 1}]
    assert not kept.exists()


def test_a_fault_of_our_own_is_not_taken_for_an_outage(tmp_path: Path) -> None:
    def broken(_messages: list[Message]) -> None:
        raise TypeError("a fault")

    outbox = Outbox(broken, FAILURES, tmp_path / "kept")
    outbox.post({"number": 0})
    with pytest.raises(TypeError, match="a fault"):
        outbox.close(within=10)
    assert (tmp_path / "kept").exists()

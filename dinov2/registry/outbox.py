"""Messages to a server that may be slow or away: sent by a thread, in order; what cannot be sent is kept in a file."""

import json
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dinov2.storage import write_text

Message = dict[str, Any]
"""Anything JSON can hold."""

WAIT_S = 1.0
LONGEST_WAIT_S = 10.0


class Outbox:
    """Sends batches of messages in the order of posting; waits longer and longer while that fails.

    What earlier work could not send is read from `kept` and goes first.
    """

    def __init__(
        self, send: Callable[[list[Message]], None], failures: tuple[type[Exception], ...], kept: Path
    ) -> None:
        """Start the thread.

        Args:
            send: delivers messages, several at once; the same message may come again after it failed.
            failures: what `send` raises when the other side cannot be reached.
            kept: file for messages that were not sent, a JSON object in a line; absent while there are none.
        """
        self._send, self._failures, self._kept = send, failures, kept
        earlier = kept.read_text(encoding="utf-8").splitlines() if kept.exists() else []
        self._waiting: deque[Message] = deque(json.loads(line) for line in earlier)
        self._changed = threading.Condition()
        self._closing = False
        self._given_up = threading.Event()
        self._broken: BaseException | None = None
        self.last_failure: Exception | None = None
        self._thread = threading.Thread(target=self._deliver, name="outbox", daemon=True)
        self._thread.start()

    def post(self, message: Message) -> None:
        """Hand over a message; returns at once."""
        with self._changed:
            self._waiting.append(message)
            self._changed.notify()

    def close(self, within: float) -> int:
        """Send what is waiting, for at most `within` seconds; how many messages are kept in the file instead."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(within)
        self._given_up.set()
        with self._changed:
            left = list(self._waiting)
        if left:
            write_text(self._kept, "".join(json.dumps(message, sort_keys=True) + "\n" for message in left))
        else:
            self._kept.unlink(missing_ok=True)
        if self._broken:
            raise self._broken
        return len(left)

    def _deliver(self) -> None:
        try:
            while not self._given_up.is_set() and (batch := self._next()):
                self._insist(batch)
        except BaseException as error:  # a fault in `send` itself: raised again where the outbox is closed
            self._broken = error

    def _next(self) -> list[Message]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            return list(self._waiting)

    def _insist(self, batch: list[Message]) -> None:
        wait = WAIT_S
        while True:
            try:
                self._send(batch)
                break
            except self._failures as error:
                self.last_failure = error
            if self._given_up.wait(WAIT_S if self._closing else wait):
                return
            wait = min(2 * wait, LONGEST_WAIT_S)
        with self._changed:
            for _ in batch:
                self._waiting.popleft()

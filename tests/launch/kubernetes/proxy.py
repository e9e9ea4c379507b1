"""A wire between a client and a server that can be cut."""

import contextlib
import socket
import threading
from collections.abc import Iterator


class Wire:
    """Forwards connections at a port of its own to `target` on this machine."""

    def __init__(self, target: int) -> None:
        self._target, self._open, self._ends = target, threading.Event(), list[socket.socket]()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.connections = 0
        self._open.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break the connections that there are."""
        while self._ends:
            with contextlib.suppress(OSError):
                self._ends.pop().shutdown(socket.SHUT_RDWR)

    def refuse(self, refuse: bool = True) -> None:
        """Break whoever comes, or no longer."""
        if refuse:
            self._open.clear()
            self.cut()
        else:
            self._open.set()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if not self._open.is_set():
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self._target))
            self._ends += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=(source, sink), daemon=True).start()

    def close(self) -> None:
        """End it."""
        self._listener.close()
        self.cut()


@contextlib.contextmanager
def wire(target: int) -> Iterator[Wire]:
    """A wire to a port of this machine."""
    made = Wire(target)
    try:
        yield made
    finally:
        made.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(2**16):
            sink.sendall(chunk)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)

"""Prefect's server on the socket that is its standard input: `python -m flows.listen NAME... < socket`.

It answers to these names and no others: else a page of another site could have its own name lead here, and call the API
from a user's browser as one of this server's pages.

Whoever starts it keeps the socket open. While the server is away callers wait for it there instead of being refused,
and one that Prefect's client has never reached is not taken for a wrong address.
"""

import socket
import sys
from collections.abc import Sequence

import uvicorn
from prefect.server.api.server import create_app
from prefect.settings import get_current_settings
from starlette.middleware.trustedhost import TrustedHostMiddleware

PAGES = "connect-src 'self'; frame-ancestors 'self'"
"""What Prefect's pages may do: they ask Amplitude for its configuration even where analytics are off."""


def main(names: Sequence[str]) -> int:
    """Serve until SIGINT or SIGTERM, as `prefect server start` does; `names` are hosts as they stand in a URL."""
    settings = get_current_settings().server
    config = uvicorn.Config(
        TrustedHostMiddleware(create_app(final=True), names, www_redirect=False),
        timeout_keep_alive=settings.api.keepalive_timeout,
        ws_ping_interval=settings.api.websocket_ping_interval,
        ws_ping_timeout=settings.api.websocket_ping_timeout,
        log_level=settings.logging_level.lower(),
        headers=[("Content-Security-Policy", PAGES)],
    )
    with socket.socket(fileno=sys.stdin.fileno()) as listening:
        uvicorn.Server(config).run(sockets=[listening])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

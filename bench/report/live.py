"""The report page while a grid runs: a server on this machine alone, which makes the page anew as cells end.

One page is served, at "/", and nothing else: no folder, no other file. It binds to the loopback address, and refuses a
request whose Host header is another name, so that no web site can read the page by pointing a name of its own here (DNS
rebinding). The page is made when it is asked for, so a grid that nobody looks at pays nothing, and not more often than
leaves nine tenths of the time to the grid.
"""

import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self

from rlvr_bench.record.errors import RecordError

LOOPBACK = "127.0.0.1"
NAMES = (LOOPBACK, "localhost")
"""What a browser on this machine calls it."""

REST = 9.0
"""Times that a page took to make which pass before it is made again."""


class ServeError(RecordError):
    """The page cannot be served: the port is taken, or not ours to take."""


class Live(NamedTuple):
    """What the page says of a grid that runs; a page is renewed where `version` is another one."""

    version: str
    told: str


Make = Callable[[Live], str]
"""Makes the page of the results folder as it is now."""


class LivePage:
    """Serves the page as a context; `address` is where."""

    def __init__(self, make: Make, port: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        """Bind to a port of the loopback address, 0 for one that is free; `clock` gives seconds.

        Raises:
            ServeError: the port cannot be bound.
        """
        self._make, self._clock = make, clock
        self._lock = threading.Lock()
        self._total, self._ended, self._version = 0, 0, 0
        self._page, self._shown, self._next = b"", -1, 0.0
        try:
            self._server = ThreadingHTTPServer((LOOPBACK, port), _handler(self))
        except OSError as error:
            raise ServeError(
                f"port {port} of {LOOPBACK} cannot be served ({error.strerror}); name another one, or none"
            ) from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="live page", daemon=True)

    @property
    def port(self) -> int:
        """The port that it is bound to."""
        return int(self._server.server_address[1])

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return f"http://{LOOPBACK}:{self.port}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def stage(self, cells: int) -> None:
        """Take note that a stage of so many cells begins."""
        self._total, self._ended = cells, 0
        self._version += 1

    def ended(self) -> None:
        """Take note that a cell ended: the page is made anew when it is next asked for."""
        self._ended += 1
        self._version += 1

    @property
    def live(self) -> Live:
        """How far the grid is."""
        cells = f"{self._ended} of {self._total} cells of this run have ended" if self._total else "the run is prepared"
        return Live(str(self._version), f"Live: {cells}.")

    def is_due(self) -> bool:
        """Whether the next page would be another one than the last."""
        return self._shown != self._version and self._clock() >= self._next

    def page(self) -> tuple[bytes, str]:
        """Return the page and its version, made anew if it is due."""
        with self._lock:
            if self.is_due():
                started, version, live = self._clock(), self._version, self.live
                self._page = self._make(live).encode()
                self._shown = version
                self._next = self._clock() + REST * (self._clock() - started)
            return self._page, str(self._shown)

    def version(self) -> str:
        """Return the version that `page` would have: the present one where it is due, else that of the last page."""
        return str(self._version if self.is_due() else self._shown)


def _handler(live: LivePage) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers GET and HEAD of the page; all else is an error of the protocol."""

        server_version, sys_version = "rlvr-bench", ""
        timeout = 30

        def do_GET(self) -> None:
            if self._is_asked():
                page, version = live.page()
                self._answer(version, len(page))
                self.wfile.write(page)

        def do_HEAD(self) -> None:
            if self._is_asked():
                self._answer(live.version(), None)

        def log_message(self, *_: Any) -> None:
            """The terminal is the grid's."""

        def _is_asked(self) -> bool:
            """Whether this is a request for the page from this machine; answers it if not."""
            if self.headers.get("Host") not in [f"{name}:{live.port}" for name in NAMES]:
                self.send_error(HTTPStatus.FORBIDDEN, explain=f"Only {live.address} is served.")
            elif self.path != "/":
                self.send_error(HTTPStatus.NOT_FOUND, explain="There is one page, at /.")
            else:
                return True
            return False

        def _answer(self, version: str, length: int | None) -> None:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            if length is not None:
                self.send_header("Content-Length", str(length))
            for name, value in {
                "ETag": f'"{version}"',
                "Cache-Control": "no-store",
                "X-Content-Type-Options": "nosniff",
                "X-Frame-Options": "DENY",
                "Referrer-Policy": "no-referrer",
                "Cross-Origin-Resource-Policy": "same-origin",
            }.items():
                self.send_header(name, value)
            self.end_headers()

    return Handler

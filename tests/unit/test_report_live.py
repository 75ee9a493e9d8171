"""The page that a running grid serves: to this machine, under its own name, at one path."""

import socket
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest
from record_factory import record

from rlvr_bench.cell.events import Outcome
from rlvr_bench.cli.optional_port import with_port
from rlvr_bench.cli.views.served import grid_display
from rlvr_bench.experiment.experiment import load
from rlvr_bench.experiment.grid import cells
from rlvr_bench.record.store import write_run
from rlvr_bench.report import live
from rlvr_bench.report.live import Live, LivePage, ServeError
from rlvr_bench.report.page import live_page


class Pages:
    """Makes pages that say how often they were made."""

    def __init__(self) -> None:
        self.made: list[Live] = []

    def __call__(self, state: Live) -> str:
        self.made.append(state)
        return f"page {len(self.made)}: {state.told}"


@pytest.fixture
def pages() -> Pages:
    return Pages()


@pytest.fixture
def served(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> Iterator[LivePage]:
    monkeypatch.setattr(live, "REST", 0.0)
    with LivePage(pages) as page:
        yield page


def ask(page: LivePage, path: str = "/", verb: str = "GET", host: str | None = None) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", page.port, timeout=30)
    connection.request(verb, path, headers={"Host": host or f"127.0.0.1:{page.port}"})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def test_the_page_is_made_when_asked_for_and_again_when_a_cell_has_ended(served: LivePage, pages: Pages) -> None:
    served.stage(3)
    assert pages.made == []
    first, content = ask(served)
    assert first.status == 200 and content == b"page 1: Live: 0 of 3 cells of this run have ended."
    assert ask(served)[1] == content and len(pages.made) == 1
    assert ask(served, verb="HEAD")[0].headers["ETag"] == first.headers["ETag"]
    served.ended()
    asked, nothing = ask(served, verb="HEAD")
    assert asked.headers["ETag"] != first.headers["ETag"] and nothing == b"" and len(pages.made) == 1
    assert ask(served)[1] == b"page 2: Live: 1 of 3 cells of this run have ended."


def test_a_page_is_not_made_again_before_it_has_rested(pages: Pages) -> None:
    now = [0.0]

    def slow(state: Live) -> str:
        now[0] += 2.0  # seconds that it takes to make
        return pages(state)

    page = LivePage(slow, clock=lambda: now[0])
    assert page.page()[0].startswith(b"page 1")
    page.ended()
    now[0] = 2.0 + 9 * 2.0 - 0.1
    assert page.version() == "0" and page.page()[0].startswith(b"page 1")
    now[0] += 0.2
    assert page.version() == "1" and page.page()[0].startswith(b"page 2")
    page._server.server_close()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "[::1]:{port}"])
def test_another_name_is_refused(served: LivePage, pages: Pages, host: str) -> None:
    answer, content = ask(served, host=host.format(port=served.port))
    assert answer.status == 403 and pages.made == [] and b"page 1" not in content


def test_this_machine_s_name_is_taken(served: LivePage) -> None:
    assert ask(served, host=f"localhost:{served.port}")[0].status == 200


@pytest.mark.parametrize("path", ["/report.html", "/../pyproject.toml", "/?x", "/./", "/records/", "/etc/passwd"])
def test_there_is_nothing_else(served: LivePage, pages: Pages, path: str) -> None:
    assert ask(served, path)[0].status == 404 and pages.made == []


@pytest.mark.parametrize("verb", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_sent(served: LivePage, pages: Pages, verb: str) -> None:
    assert ask(served, verb=verb)[0].status == 501 and pages.made == []


def test_only_the_loopback_address_listens(served: LivePage) -> None:
    assert served._server.server_address[0] == "127.0.0.1"
    others = {str(found[4][0]) for found in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in others - {"127.0.0.1"}:
        with pytest.raises(OSError, match=""):
            socket.create_connection((address, served.port), timeout=5).close()


def test_it_ends_with_the_run(pages: Pages) -> None:
    with LivePage(pages) as page:
        assert ask(page)[0].status == 200
    with pytest.raises(ConnectionRefusedError):
        ask(page)


def test_a_port_that_is_taken_is_one_clear_sentence(served: LivePage, pages: Pages) -> None:
    with pytest.raises(ServeError, match=f"port {served.port} of 127.0.0.1 cannot be served"):
        LivePage(pages, served.port)


def test_the_page_of_a_folder_says_that_it_is_live(tmp_path: Path) -> None:
    empty = live_page(tmp_path, Live("0", "Live: 0 of 2."))
    write_run(tmp_path, record("lora", 0), [])
    page = live_page(tmp_path, Live("1", "Live: 1 of 2."))
    assert "Live: 0 of 2." in empty and "There are no run records" in empty
    assert 'data-version="1">Live: 1 of 2.' in page and "connect-src &#39;self&#39;" in page


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("quick --serve", "quick --serve 0"),
        ("quick --serve 8000", "quick --serve 8000"),
        ("--serve quick", "--serve 0 quick"),
        ("quick --serve --report", "quick --serve 0 --report"),
        ("quick --serve -1", "quick --serve -1"),
        ("quick", "quick"),
    ],
)
def test_the_port_may_be_left_out(given: str, read: str) -> None:
    assert with_port(given.split()) == read.split()


def test_a_grid_tells_the_page_of_the_cells_that_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cell = cells(load("quick"), seeds=(0,))[0]
    with grid_display(tmp_path, 0) as display:
        address = capsys.readouterr().err.split("http://127.0.0.1:")[1]
        port = int(address.split("/")[0])
        with display.cells(1) as listener:
            listener(cell, None)
            listener(cell, Outcome(cell.id, cell.method_name, cell.seed, "done"))
            connection = HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", "/")
            page = connection.getresponse().read().decode()
    assert "Live: 1 of 1 cells of this run have ended." in page

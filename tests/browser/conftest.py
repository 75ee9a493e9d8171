"""A real headless Chromium, and the report page open in it.

The browser is $RLVR_BENCH_CHROMIUM, else Debian's `chromium`. Without one every test fails and says how to get it.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, CDPSession, Page, expect, sync_playwright
from report_folder import write_everything

from rlvr_bench.report.page import write_report

NO_BROWSER = (
    "these tests need Chromium: install Debian's package (apt-get install chromium), or name another executable in "
    "RLVR_BENCH_CHROMIUM"
)

PATIENCE = 600_000
"""Milliseconds that anything of a page is waited for: others use the machine."""


@dataclass
class Visit:
    """A page with what it asked for and what it complained of."""

    page: Page
    devtools: CDPSession
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def rows(self) -> list[str]:
        """Return the methods that the table shows, from top to bottom."""
        return self.page.locator("#rows tbody tr:visible button.open").all_inner_texts()

    def seconds(self) -> float:
        """Return the processor seconds of the page's main thread so far: what a wait is made of on a free machine."""
        metrics = self.devtools.send("Performance.getMetrics")["metrics"]
        return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = os.environ.get("RLVR_BENCH_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.fail(NO_BROWSER, pytrace=False)
    with sync_playwright() as playwright:
        # A container has no user namespaces for Chromium's sandbox; the page is our own.
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"], timeout=PATIENCE)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a folder that has something for every section, hostile strings among it."""
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RLVR_BENCH_CACHE", str(folder / "cache"))
        write_everything(folder / "results")
        path, problems = write_report(folder / "results")
    assert problems == ()
    return path


def visit(browser: Browser, path: Path, **context: object) -> Visit:
    """Open a page and wait until every picture is drawn."""
    page = browser.new_context(**context).new_page()  # type: ignore[arg-type]
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    found = Visit(page, page.context.new_cdp_session(page))
    found.devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.on("request", lambda request: found.requests.append(request.url))
    page.on("console", lambda message: found.complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.goto(path.as_uri())
    expect(page.locator("body[data-drawn]")).to_be_attached()
    return found


@pytest.fixture
def opened(browser: Browser, report: Path) -> Iterator[Visit]:
    found = visit(browser, report, viewport={"width": 1280, "height": 900})
    yield found
    found.page.context.close()

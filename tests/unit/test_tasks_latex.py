"""The killable child process: what it decides, and that nothing an expression does reaches the caller."""

import multiprocessing
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.problem import Verdict
from rlvr_bench.tasks.verifiers.latex import LatexVerifier
from rlvr_bench.tasks.verifiers.math_process import Comparison, MathProcess, shared_process

PATIENT = LatexVerifier(seconds=60)  # a busy machine must not turn a verdict into an error

ECHO = """
    import json, os, sys, time
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if request["completion"] == "hang":
            time.sleep(3600)
        if request["completion"] == "crash":
            os._exit(1)
        print(json.dumps({"parsed": str(os.getpid()), "correct": request["gold"] == request["completion"]}), flush=True)
"""


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[MathProcess]:
    """A process with a child that compares text, hangs or crashes when told to, and reports its own id."""
    script = tmp_path / "echo.py"
    script.write_text(textwrap.dedent(ECHO))
    process = MathProcess((sys.executable, "-u", str(script)))
    yield process
    process.close()


def child_id(process: MathProcess) -> int:
    reply = process.compare("a", "a", seconds=60)
    assert reply is not None and reply.parsed is not None
    return int(reply.parsed)


def alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def running(process_id: int) -> bool:
    """Not so for a zombie, which an orphan becomes where nobody collects it."""
    try:
        return bool(Path(f"/proc/{process_id}/cmdline").read_bytes())
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("completion", "gold"),
    [
        (r"so \boxed{\frac12}", "0.5"),
        (r"\boxed{(x+1)^2}", "x^2+2x+1"),
        (r"\boxed{(3,\frac{\pi}{2})}", r"\left( 3, \frac{\pi}{2} \right)"),
        (r"\boxed{\text{Evelyn}}", r"\text{Evelyn}"),
        (r"$x = 2\sqrt{3}$", r"\sqrt{12}"),
    ],
)
def test_equal_expressions_are_correct(completion: str, gold: str) -> None:
    assert PATIENT.verify(completion, gold).reason == "correct"


def test_other_expressions_are_wrong_and_none_is_unparsed() -> None:
    assert PATIENT.verify(r"\boxed{\sqrt{13}}", r"\sqrt{12}").reason == "wrong"
    assert PATIENT.verify("no idea", "5") == Verdict(False, None, "unparsed")


def test_an_expression_without_end_is_an_error_and_the_next_is_not() -> None:
    assert LatexVerifier(seconds=1).verify(r"\boxed{9^{9^{9^{9}}}}", "3") == Verdict(False, None, "error")
    assert PATIENT.verify(r"\boxed{3}", "3").correct


def test_hanging_child_is_killed_within_the_limit(echo: MathProcess) -> None:
    before = child_id(echo)
    started = time.monotonic()
    assert echo.compare("a", "hang", seconds=0.3) is None
    assert time.monotonic() - started < 30  # far below the hour that it would sleep
    assert not alive(before)
    assert child_id(echo) != before


def test_crashing_child_is_an_error_and_is_replaced(echo: MathProcess) -> None:
    assert echo.compare("a", "crash", seconds=60) is None
    assert echo.compare("a", "a", seconds=60).correct  # type: ignore[union-attr]


def test_one_child_serves_many_threads(echo: MathProcess) -> None:
    first = child_id(echo)
    replies: list[Comparison | None] = []
    threads = [
        threading.Thread(target=lambda number=number: replies.append(echo.compare(str(number % 2), "1", 60)))
        for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(reply.correct for reply in replies if reply) == [False] * 10 + [True] * 10
    assert child_id(echo) == first


def report(process: MathProcess, answers: Any) -> None:
    answers.put((child_id(process), child_id(process)))


def test_forked_daemonic_process_gets_its_own_child(echo: MathProcess) -> None:
    parents = child_id(echo)
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()
    worker = fork.Process(target=report, args=(echo, answers), daemon=True)
    worker.start()
    first, second = answers.get(timeout=60)
    worker.join(60)
    assert first == second != parents
    assert child_id(echo) == parents  # the parent's child was left alone


def test_any_text_fits_into_one_request(echo: MathProcess) -> None:
    for text in ("\x00" * 100_000, "\U0001f600" * 100_000, "\ud800 lone surrogate", "two\nlines"):
        assert echo.compare("gold" * 10_000, text, seconds=60) is not None


def test_closing_ends_the_child(echo: MathProcess) -> None:
    child = child_id(echo)
    echo.close()
    assert not alive(child)


def test_child_ends_when_its_parent_is_killed(echo: MathProcess) -> None:
    code = f"""
        import time
        from rlvr_bench.tasks.verifiers.math_process import MathProcess
        process = MathProcess({echo._command!r})
        print(process.compare("a", "a", 60).parsed, flush=True)
        time.sleep(3600)
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 60
    while running(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running(child)


def test_child_that_cannot_start_is_one_sentence() -> None:
    process = MathProcess((sys.executable, "-c", "raise ImportError('no module math_verify')"))
    with pytest.raises(TaskError, match=r"could not be started \(ImportError: no module math_verify\): install"):
        process.compare("1", "1", seconds=60)


def test_the_process_is_shared() -> None:
    assert shared_process() is shared_process()

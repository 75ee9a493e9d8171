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

from rlvr_bench.tasks import registry
from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.problem import Verdict
from rlvr_bench.tasks.verdicts import verify_all
from rlvr_bench.tasks.verifiers import math_process
from rlvr_bench.tasks.verifiers.latex import LatexVerifier
from rlvr_bench.tasks.verifiers.math_process import MathPool, MathProcess, shared_pool

PATIENT = LatexVerifier(seconds=60)  # a busy machine must not turn a verdict into an error

ECHO = """
    import json, os, sys, time
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        [[gold, answer]] = json.loads(line)["pairs"]
        if answer == "hang":
            time.sleep(3600)
        if answer == "crash":
            os._exit(1)
        if answer in ("MemoryError", "RecursionError", "ValueError"):
            print(json.dumps({"error": answer}), flush=True)
            continue
        if gold == "child":
            print(json.dumps({"equal": os.getpid()}), flush=True)
            continue
        print(json.dumps({"equal": gold == answer}), flush=True)
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
    reply = process.all_equal([("child", "")], seconds=60)
    assert reply
    return int(reply)


def compare(process: MathProcess | MathPool, gold: str, answer: str, seconds: float = 60) -> bool | None:
    return process.all_equal([(gold, answer)], seconds)


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
    ("answer", "gold"),
    [
        (r"\boxed{(x+1)^2}", "x^2+2x+1"),
        (r"$x = 2\sqrt{3}$", r"\sqrt{12}"),
        (r"\boxed{\frac{\cos x}{\sin x}}", r"\cot x"),
        (r"\boxed{1000(26)}", "26000"),
        (r"\boxed{5x-7y+11z+4=0}", "5x - 7y + 11z + 4 = 0"),
    ],
)
def test_algebra_finds_expressions_equal(answer: str, gold: str) -> None:
    assert PATIENT.verify(answer, gold).reason == "correct"


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        (r"\boxed{\sqrt{13}}", r"\sqrt{12}"),
        (r"\boxed{\frac{1}{2^{98}}}", r"\frac{1}{2^{99}}"),
        (r"\boxed{\frac{1}{2006!}}", r"\frac{1}{2004!}"),
        (r"\boxed{2^{2006}}", "2^{2005}"),
        (r"\boxed{8}", r"8\pi"),
        (r"\boxed{q - p}", "p - q"),
    ],
)
def test_algebra_finds_expressions_different(answer: str, gold: str) -> None:
    assert PATIENT.verify(answer, gold).reason == "wrong"


def test_no_answer_is_unparsed() -> None:
    assert PATIENT.verify("no idea", "5") == Verdict(False, None, "unparsed")


def test_an_expression_without_end_is_an_error_and_the_next_is_not() -> None:
    assert LatexVerifier(seconds=1).verify(r"\boxed{9^{9^{9^{9}}}}", "3") == Verdict(False, None, "error")
    assert PATIENT.verify(r"\boxed{2\sqrt{3}}", r"\sqrt{12}").correct


def test_too_deep_an_expression_is_an_error_and_no_number_of_it_is_taken() -> None:
    deep = r"\frac{1}{1+" * 400 + "x" + "}" * 400
    assert PATIENT.verify(rf"The answer is 5. \boxed{{{deep}}}", "5").reason in ("error", "wrong")


def test_hanging_child_is_killed_within_the_limit(echo: MathProcess) -> None:
    before = child_id(echo)
    started = time.monotonic()
    assert compare(echo, "a", "hang", seconds=0.03) is None
    took = time.monotonic() - started
    assert took < 3600  # the time that it would sleep
    assert not alive(before)
    assert child_id(echo) != before
    assert 0 < echo.losses.seconds <= took
    assert echo.losses.causes == {"limit": 1} and echo.losses.replaced == 1


def test_crashing_child_is_an_error_and_is_replaced(echo: MathProcess) -> None:
    assert compare(echo, "a", "crash") is None
    assert compare(echo, "a", "a")


@pytest.mark.parametrize(
    ("fault", "replaced"), [("MemoryError", True), ("RecursionError", True), ("ValueError", False)]
)
def test_an_exhausted_child_is_replaced(echo: MathProcess, fault: str, replaced: bool) -> None:
    before = child_id(echo)
    assert compare(echo, "a", fault) is None
    assert (child_id(echo) != before) == replaced
    assert compare(echo, "a", "a")
    assert echo.losses.causes == {fault: 1}


def test_a_child_is_replaced_after_many_comparisons(echo: MathProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(math_process, "MAX_COMPARISONS", 5)
    children = [child_id(echo) for _ in range(12)]
    assert [children.count(child) for child in dict.fromkeys(children)] == [5, 5, 2]


def test_a_starved_child_answers_error_and_never_wrong(tmp_path: Path) -> None:
    """With 8 MB more than it has when it is ready: small algebra goes on, a power of 12 MB does not fit."""
    worker = Path(math_process.__file__).with_name("math_worker.py").read_text()
    used = "int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()"
    script = tmp_path / "starved.py"
    script.write_text(worker.replace("RLIMIT_AS, (most,", f"RLIMIT_AS, ({used} + 2**23,"))
    process = MathProcess((sys.executable, "-u", str(script)))
    assert compare(process, "x+1", "1+x", 30) is True
    for _ in range(2):
        assert compare(process, "2^{99999999}", "2^{99999998}", 30) is None
        assert compare(process, "x+1", "1+x", 30) is True
    assert process.losses.causes == {"MemoryError": 2} and process.losses.replaced == 2
    process.close()


def test_a_hang_does_not_hold_up_the_other_child(tmp_path: Path) -> None:
    script = tmp_path / "echo.py"
    script.write_text(textwrap.dedent(ECHO))
    pool = MathPool(2, lambda: MathProcess((sys.executable, "-u", str(script))))
    assert compare(pool, "a", "a")
    done = threading.Event()
    hanging = threading.Thread(target=lambda: (compare(pool, "a", "hang", 2.0), done.set()))
    hanging.start()
    while pool._idle.qsize() == 2 and hanging.is_alive():
        time.sleep(0.01)
    assert compare(pool, "a", "a") and not done.is_set()
    hanging.join()
    assert pool.losses.causes == {"limit": 1}
    pool.close()


def test_one_child_serves_many_threads(echo: MathProcess) -> None:
    first = child_id(echo)
    replies: list[bool | None] = []
    threads = [
        threading.Thread(target=lambda number=number: replies.append(compare(echo, str(number % 2), "1")))
        for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(reply for reply in replies if reply is not None) == [False] * 10 + [True] * 10
    assert child_id(echo) == first


def report(process: MathProcess, answers: Any) -> None:
    answers.put((child_id(process), child_id(process)))


def test_forked_daemonic_process_gets_its_own_child(echo: MathProcess) -> None:
    parents = child_id(echo)
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()
    worker = fork.Process(target=report, args=(echo, answers), daemon=True)
    worker.start()
    first, second = answers.get(timeout=900)
    worker.join(900)
    assert first == second != parents
    assert child_id(echo) == parents  # the parent's child was left alone


def test_any_text_fits_into_one_request(echo: MathProcess) -> None:
    for text in ("\x00" * 1_000, "\U0001f600" * 1_000, "\ud800 lone surrogate", "two\nlines"):
        assert compare(echo, "gold" * 250, text) is False


def test_too_long_an_expression_is_not_compared(echo: MathProcess) -> None:
    assert compare(echo, "x" * 1_001, "x" * 1_002) is None
    assert echo.losses.causes == {"length": 1}


def test_closing_ends_the_child(echo: MathProcess) -> None:
    child = child_id(echo)
    echo.close()
    assert not alive(child)


def test_child_ends_when_its_parent_is_killed(echo: MathProcess) -> None:
    code = f"""
        import time
        from rlvr_bench.tasks.verifiers.math_process import MathProcess
        process = MathProcess({echo._command!r})
        print(process.all_equal([("child", "")], 60), flush=True)
        time.sleep(3600)
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 900
    while running(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running(child)


def test_child_that_cannot_start_is_one_sentence() -> None:
    process = MathProcess((sys.executable, "-c", "raise ImportError('no module math_verify')"))
    with pytest.raises(TaskError, match=r"could not be started \(ImportError: no module math_verify\): install"):
        process.all_equal([("1", "1")], seconds=60)


def test_the_pool_is_shared() -> None:
    assert shared_pool() is shared_pool()


def test_many_pairs_go_in_parts() -> None:
    many = [("x+1", "1+x")] * 30
    assert shared_pool().all_equal(many, 20) is True
    assert shared_pool().all_equal([*many, ("x", "y")], 20) is False
    long = "\x00" * math_process.MAX_EXPRESSION
    assert shared_pool().all_equal([(long, long)] * math_process.MAX_PAIRS, 20) is False


def test_verdicts_of_many_are_those_of_each() -> None:
    task = registry.create({"name": "chain"})
    problems = task.problems("test")[:20]
    completions = [f"#### {problem.answer}" if place % 2 else "#### x" for place, problem in enumerate(problems)]
    cut = [place % 3 == 0 for place in range(20)]
    assert verify_all(task, completions, problems, cut) == [
        task.verify(text, problem, truncated)
        for text, problem, truncated in zip(completions, problems, cut, strict=True)
    ]


def test_a_child_in_a_process_that_has_little_memory_takes_what_there_is() -> None:
    worker = Path(math_process.__file__).with_name("math_worker.py")
    command = ("/bin/sh", "-c", f'ulimit -v 1000000; exec "{sys.executable}" -P -u "{worker}"')
    process = MathProcess(command)
    try:
        assert process.all_equal([(r"2\sqrt{3}", r"\sqrt{12}")], 10) is True
    finally:
        process.close()

"""Verdicts a second: exact on one core, LaTeX on one child and on two; and how long hostile completions take.

Prints, asserts nothing.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psutil

from rlvr_bench.tasks.verifiers.exact import ExactVerifier
from rlvr_bench.tasks.verifiers.latex import LatexVerifier
from rlvr_bench.tasks.verifiers.math_process import POOL_SIZE, shared_pool

STEPS = "Natalia sold 48/2 = 24 clips in May, so she sold 48 + 24 = 72 clips altogether in April and May.\n" * 3
NUMBERS = ("#### 72", "The answer is $72.", r"\boxed{72}", r"So \(\boxed{72 \text{ clips}}\).", "That makes 72 clips.")
ALGEBRA = [
    item
    for number in range(2, 42)
    for item in (
        (rf"\boxed{{(x+{number})^2}}", f"x^2+{2 * number}x+{number**2}"),
        (rf"\boxed{{\frac{{\sqrt{{{number}}}}}{{{number}}}}}", rf"\frac{{1}}{{\sqrt{{{number}}}}}"),
        (rf"\boxed{{{number}\sqrt{{13}}}}", rf"\sqrt{{{13 * number**2}}}"),
        (rf"\boxed{{({number}, \pi/2)}}", rf"\left( {number}, \frac{{\pi}}{{2}} \right)"),
        (rf"\boxed{{{number} - 5i}}", f"-5i+{number}"),
        (rf"\boxed{{{number}\pi}}", rf"{number + 1}\pi"),
    )
]
"""Different expressions, for math-verify remembers the last ones; all of them need algebra."""

HOSTILE = {
    "a tower of powers": r"\boxed{9^{9^{9^{9}}}}",
    "a large factorial": r"\boxed{99999999!}",
    "100,000 braces": r"\boxed{" + "{" * 100_000 + "}" * 100_000 + "}",
    "open brackets": r"\boxed{" + "(" * 50_000 + "}",
    "nested fractions": r"\boxed{" + r"\frac{1}{" * 3_000 + "}" * 3_001,
    "megabytes of digits": "1" * 5_000_000,
    "megabytes of markers": "####" * 1_000_000,
    "megabytes of boxes": r"\boxed{" * 500_000,
    "megabytes of words": "the answer is " * 300_000,
    "HTML": "<div><p>" * 300_000 + "18",
    "dollars": "$x" * 500_000,
    "NaN": r"\boxed{NaN}",
}


def rate(verify: Callable[[], object], count: int) -> float:
    """Verdicts a second."""
    started = time.perf_counter()
    verify()
    return count / (time.perf_counter() - started)


def processor_rate(verify: Callable[[], object], count: int) -> float:
    """Verdicts a second of this process's own processor time, so that other processes do not count."""
    started = time.process_time()
    verify()
    return count / (time.process_time() - started)


def child_rate(verify: Callable[[], object], count: int) -> tuple[float, list[float]]:
    """Verdicts a second of the busiest child's processor time, and the seconds of each: other processes do not count.

    On cores of their own so many verdicts come a second; children that are dealt work evenly show alike.
    """
    before = _seconds_of_children()
    verify()
    seconds = [after - before.get(child, 0.0) for child, after in _seconds_of_children().items()]
    return count / max(seconds), seconds


def _seconds_of_children() -> dict[int, float]:
    """Processor time of each child process so far, by its id."""
    spent = {child.pid: child.cpu_times() for child in psutil.Process().children()}
    return {child: times.user + times.system for child, times in spent.items()}


def main() -> None:
    """Time and print."""
    exact, latex = ExactVerifier(), LatexVerifier(seconds=2)
    completions = [STEPS + number for number in NUMBERS] * 2_000
    alone = processor_rate(lambda: [exact.verify(text, "72") for text in completions], len(completions))
    print(f"exact: {alone:,.0f} a second on one core")
    with ThreadPoolExecutor(POOL_SIZE) as threads:
        list(threads.map(lambda item: latex.verify(*item), ALGEBRA[:64]))  # starts the children
        one = rate(lambda: [latex.verify(*item) for item in ALGEBRA], len(ALGEBRA))
        two = rate(lambda: list(threads.map(lambda item: latex.verify(*item), ALGEBRA)), len(ALGEBRA))
        print(f"LaTeX: {one:,.0f} a second by the clock on one child, {two:,.0f} on {POOL_SIZE}")
        one, _ = child_rate(lambda: [latex.verify(*item) for item in ALGEBRA], len(ALGEBRA))
        two, each = child_rate(lambda: list(threads.map(lambda item: latex.verify(*item), ALGEBRA)), len(ALGEBRA))
    seconds = " and ".join(f"{spent:.2f}" for spent in each)
    print(f"LaTeX: {one:,.0f} a second of processor time on one child, {two:,.0f} on {POOL_SIZE} ({seconds} s of each)")
    for name, text in HOSTILE.items():
        for verifier in (exact, latex):
            started = time.perf_counter()
            verdict = verifier.verify(text, "18")
            took = time.perf_counter() - started
            print(f"{name:<22} {type(verifier).__name__:<14} {verdict.reason:<9} {took:6.2f} s")
    print(shared_pool().losses)


if __name__ == "__main__":
    main()

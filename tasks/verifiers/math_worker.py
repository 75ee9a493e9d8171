"""The child process of `math_process`: reads one JSON request a line, writes one JSON reply a line.

Run as a script, so it imports nothing of this package. Kernel limits end it even if its parent was killed while an
expression kept it busy, and keep an expression that grows without end from taking the machine's memory.
"""

import json
import logging
import resource
import signal
import sys
from typing import Any

MEMORY_BYTES = 2 * 2**30
FLOAT, EXACT = 1e-5, 1e-15
"""How far numbers may be apart that math-verify calls equal, in parts of their size: 1/2^98 is not 1/2^99."""


def all_equal(pairs: list[list[str]]) -> bool:
    """Whether every answer equals its gold answer; raises what keeps it from being decided."""
    return all(equal(gold, answer) for gold, answer in pairs)


def equal(gold: str, answer: str) -> bool:
    """Whether two LaTeX expressions are equal by math-verify; what cannot be parsed equals nothing."""
    from math_verify import verify

    one, other = parsed(gold), parsed(answer)
    if one is None or other is None:
        return False
    if verify([one], [other], timeout_seconds=None, raise_on_error=True):
        return _close(one, other)
    # A symbol beside a sum is compared as text by math-verify, and constants in other forms not at all.
    one, other = _exact(one), _exact(other)
    return bool(one.doit() == other.doit()) or _same_constant(one, other)


def parsed(latex: str) -> Any:
    """The sympy object; None if it is no expression."""
    from latex2sympy2_extended.latex2sympy2 import NormalizationConfig, normalize_latex
    from math_verify.parser import parse_latex_cached

    settings = NormalizationConfig(
        basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none", equations=False
    )
    try:
        return _one_unit(parse_latex_cached(normalize_latex(latex, settings)))
    except (RecursionError, MemoryError):
        raise
    except Exception:  # noqa: BLE001  # the parser raises plain exceptions for what is not LaTeX
        return None


def _one_unit(expression: Any) -> Any:
    r"""With one symbol for i: the parser takes that of "5\cdot i" for another than that of "5i"."""
    import sympy

    return expression.xreplace({sympy.Symbol("i", real=True): sympy.Symbol("i", real=False)})


def _exact(expression: Any) -> Any:
    """With fractions in place of decimals: 2^0.5 is the root of two."""
    import sympy

    return expression.xreplace({number: sympy.Rational(str(number)) for number in expression.atoms(sympy.Float)})


def _close(one: Any, other: Any) -> bool:
    """Whether numbers that math-verify calls equal are: its own test is a difference of floats near zero."""
    import sympy

    if not (isinstance(one, sympy.Expr) and isinstance(other, sympy.Expr)) or one.free_symbols or other.free_symbols:
        return True
    one, other = one.doit(), other.doit()
    if one.is_Rational and other.is_Rational:
        return bool(one == other)
    size = max(abs(sympy.N(one, 30)), abs(sympy.N(other, 30)))
    if not size.is_comparable or size == 0:
        return True
    limit = FLOAT if one.has(sympy.Float) or other.has(sympy.Float) else EXACT
    return bool(abs(sympy.N(one - other, 30)) <= limit * size)


def _same_constant(one: Any, other: Any) -> bool:
    r"""Whether two complex constants agree in 30 digits, as e^{i\pi/3} and 1/2 + \sqrt{3}/2 i do."""
    import sympy

    unit = sympy.Symbol("i", real=False)  # as the parser has it
    if not all(isinstance(side, sympy.Expr) and side.free_symbols == {unit} for side in (one, other)):
        return False
    one, other = one.subs(unit, sympy.I), other.subs(unit, sympy.I)
    if one.has(sympy.Float) or other.has(sympy.Float):
        return False
    return bool(abs(sympy.N(one - other, 50)) <= 1e-30 * abs(sympy.N(one, 50)))


def limit_cpu(seconds: float) -> None:
    """Let the kernel end this process once it has used up `seconds` more of processor time."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def limit_memory() -> None:
    """Let this process have MEMORY_BYTES of address space, or what it was given if that is less."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    most = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def raise_exhaustion() -> None:
    """Make math-verify report exhausted memory and stack: it takes every exception for "not equal" by itself.

    `except Exception` looks the name up in its module; there it now stands for all exceptions but those two.
    """
    import latex2sympy2_extended  # noqa: F401  # defines exceptions of its own
    from math_verify import grader

    ordinary = [kind for kind in Exception.__subclasses__() if kind not in (MemoryError, RuntimeError)]
    grader.Exception = (*ordinary, NotImplementedError)


def main() -> None:
    """Serve until standard input ends."""
    logging.disable(logging.CRITICAL)
    equal("(x+1)^2", "x^2+2x+1")  # before "ready": imports and grammars load on first use, for seconds
    raise_exhaustion()
    limit_memory()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        limit_cpu(request["seconds"])
        try:
            reply: dict[str, Any] = {"equal": all_equal(request["pairs"])}
        except Exception as fault:  # noqa: BLE001  # whatever sympy stumbles over is reported as an error, not hidden
            reply = {"error": type(fault).__name__}
        limit_cpu(0)
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()

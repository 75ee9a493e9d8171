"""The child process of `math_process`: reads one JSON request a line, writes one JSON reply a line.

Run as a script, so it imports nothing of this package. Kernel limits end it even if its parent was killed while an
expression kept it busy, and keep an expression that grows without end from taking the machine's memory.
"""

import json
import logging
import resource
import sys
from typing import Any

MEMORY_BYTES = 4 * 2**30
SPARE_CPU_SECONDS = 2


def compare(gold: str, completion: str) -> dict[str, Any]:
    """`{"parsed": the answer as written or null, "correct": bool}`."""
    from math_verify import parse, verify

    predicted = parse(completion, parsing_timeout=None, raise_on_error=True)
    if not predicted:
        return {"parsed": None, "correct": False}
    expected = parse(rf"\boxed{{{gold}}}", parsing_timeout=None, raise_on_error=True)
    correct = verify(expected, predicted, timeout_seconds=None, raise_on_error=True)
    # The last element is the answer as text; writing out the expression before it may itself never end.
    return {"parsed": str(predicted[-1]) if isinstance(predicted[-1], str) else "expression", "correct": bool(correct)}


def limit_cpu(seconds: float) -> None:
    """Let the kernel end this process once it has used up `seconds` more of processor time and a little."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    until = int(usage.ru_utime + usage.ru_stime + seconds + SPARE_CPU_SECONDS)
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def main() -> None:
    """Serve until standard input ends."""
    logging.disable(logging.CRITICAL)
    compare("(x+1)^2", r"\boxed{x^2+2x+1}")  # before "ready": imports and grammars load on first use, for seconds
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        limit_cpu(request["seconds"])
        try:
            reply = compare(request["gold"], request["completion"])
        except Exception as fault:  # noqa: BLE001  # whatever sympy stumbles over is reported as an error, not hidden
            reply = {"error": type(fault).__name__}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()

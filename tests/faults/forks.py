"""Commands in forks of a process that has imported what they import, and has done nothing else.

A fork of a process in which other tests ran could wait for ever for a lock that one of its threads held. A command of
its own for each piece of work would be imports for the most part.
"""

import faulthandler
import json
import os
import runpy
import subprocess
import sys
import traceback
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from subprocess import CompletedProcess

from rlvr_bench.record.errors import RecordError

Work = partial[object]
"""A function that is found by its name in its module, with arguments that are text or paths."""

HANGS_AFTER_SECONDS = 600
"""Work that takes longer waits for ever: it is ended, and says where it was. The longest takes about a minute."""

STACK = "(most recent call first)"
"""Part of what is said of each thread of work that hung."""


def fork(work: Work, script: Path, out: Path, environment: dict[str, str]) -> "CompletedProcess[str]":
    """Run `script` and do `work` in a fork, and wait for all processes that it starts."""
    server, function = _server(), (work.func.__module__, work.func.__qualname__)
    assert server.stdin is not None and server.stdout is not None
    server.stdin.write(json.dumps([*function, list(map(str, work.args)), str(script), str(out), environment]) + "\n")
    server.stdin.flush()
    code, said = json.loads(server.stdout.readline())
    assert STACK not in said, f"{work} hung: {said}"
    return CompletedProcess(function, code, out.read_text(), said)


@cache
def _server() -> "subprocess.Popen[str]":
    """Start the process that forks, once for all tests of this one; it ends when its pipe is closed."""
    paths = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", "import forks; forks._serve()"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=paths)


def _serve() -> None:
    import_module("rlvr_bench.launch.preload")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever is printed here or in a fork is no answer
    for request in sys.stdin:
        module, name, arguments, script, out, environment = json.loads(request)
        work = partial(getattr(import_module(module), name), *arguments)
        print(json.dumps(_forked(work, script, out, environment)), file=answers, flush=True)


def _forked(work: Work, script: str, out: str, environment: dict[str, str]) -> tuple[int, str]:
    """Return how a fork ended, and what was said to its stderr."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
            os.dup2(writing, 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
            os.environ.update(environment)
            faulthandler.dump_traceback_later(HANGS_AFTER_SECONDS, exit=True, file=2)
            runpy.run_path(script)
            code = _exit_code(work)
            sys.stdout.flush()
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as pipe:  # ends when nobody has it open: a cell may outlive its command by a moment
        said = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


def _exit_code(work: Work) -> int:
    """Do `work`, and say an error of this package in its sentence, as the command line does."""
    try:
        work()
    except RecordError as error:
        os.write(2, f"{error}\n".encode())
        return 1
    except SystemExit as end:
        return int(end.code or 0)
    except Exception:  # noqa: BLE001 - whatever it is, the test shows it
        os.write(2, traceback.format_exc().encode())
        return 1
    return 0

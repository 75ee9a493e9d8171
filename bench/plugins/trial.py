"""The first import of a plug-in, in a process of its own: one that ends or never ends takes no command with it.

Python cannot survive `os._exit`, a segmentation fault or an endless loop of a module that it imports. So code of others
is imported by a child first, which has a time limit. What came through is remembered in the cache, until a file of
it changes: a verb pays for a child once for each version of a plug-in, and never where none is installed.
"""

import contextlib
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import EntryPoint
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryFile
from types import ModuleType

from rlvr_bench.plugins.cache_folder import cache_dir

PROCESSOR_SECONDS = 30
"""Processor time that an import may take; torch with transformers takes five."""
SECONDS = 120.0
"""Time that it may take on a busy machine, waiting included."""
PASSED = "imported"
"""What a child says last: a plug-in that ends its process, with success too, keeps it from saying that."""
OWN = "rlvr_bench."

_passed: set[str] = set()


def entry_refusal(point: EntryPoint) -> str | None:
    """Why the module of an entry point must not be imported here; None where it can be, or is this package's own."""
    if point.module.startswith(OWN) or point.module in sys.modules:
        return None
    return _refusal(["module", point.module], _module_files(point.module))


def study_refusal(point: EntryPoint) -> str | None:
    """Why the package of a study, or its module of analyses if it has one, must not be imported here."""
    return None if point.value.startswith(OWN) else _refusal(["study", point.value], _module_files(point.value))


def file_refusal(name: str, path: Path) -> str | None:
    """Why a Python file must not be imported here as the module `name`; None where it can be."""
    return _refusal(["file", name, str(path)], [path])


def import_file(name: str, path: Path) -> ModuleType:
    """Import a file as the module `name`; leaves nothing in its folder, and nothing in `sys.modules` where it fails."""
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None, "a path that ends in .py has a loader"
    # Registered before it runs: its classes look up their own module, and it may point at itself by __name__.
    module = sys.modules[name] = module_from_spec(spec)
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.dont_write_bytecode = writes
    return module


def _refusal(asked: list[str], files: Iterable[Path]) -> str | None:
    version = _version(asked, files)
    if version in _passed:
        return None
    mark = cache_dir() / "plugins" / version
    if not mark.exists():
        if (refusal := _tried(asked)) is not None:
            return refusal
        with contextlib.suppress(OSError):  # without a cache, the next process tries again
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()
    _passed.add(version)
    return None


def _version(asked: list[str], files: Iterable[Path]) -> str:
    """Return a digest of what is imported by which interpreter, and of what its files look like from outside."""
    looks = [(str(file), status.st_size, status.st_mtime_ns) for file in files if (status := _status(file))]
    return hashlib.sha256(json.dumps([sys.executable, sys.version, asked, sorted(looks)]).encode()).hexdigest()


def _status(file: Path) -> os.stat_result | None:
    try:
        return file.stat()
    except OSError:
        return None


def _module_files(module: str) -> list[Path]:
    """Return the code files of the top-level package of a module; nothing is imported."""
    with contextlib.suppress(ImportError, ValueError):
        spec = find_spec(module.partition(".")[0])
        if spec is not None and spec.submodule_search_locations:
            folders = map(Path, spec.submodule_search_locations)
            return [file for folder in folders for kind in ("*.py", "*.so", "*.pyd") for file in folder.rglob(kind)]
        if spec is not None and spec.origin:
            return [Path(spec.origin)]
    return []


def _tried(asked: list[str]) -> str | None:
    """Import in a child; return why that failed, None where it did not."""
    code = "import json, sys; sys.path[:], *asked = json.loads(sys.argv[1]); "
    code += "from rlvr_bench.plugins.trial import answer; answer(*asked)"
    # A file, not a pipe: a process that the plug-in leaves behind could keep a pipe open for ever.
    with TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        child = subprocess.Popen(
            [sys.executable, "-c", code, json.dumps([sys.path, *asked])],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            status = child.wait(SECONDS)
        except subprocess.TimeoutExpired:
            return f"it takes more than {SECONDS:.0f} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        said.seek(0)
        words = said.read()
    return None if status == 0 and words == PASSED else _reason(words, status)


def _reason(words: str, status: int) -> str:
    if words and words != PASSED:
        return words
    if status == -signal.SIGXCPU:
        return f"it takes more than {PROCESSOR_SECONDS} s of processor time"
    return f"it ends the process, by {signal.Signals(-status).name if status < 0 else f'exit code {status}'}"


def answer(kind: str, *asked: str) -> None:
    """In the child: import, and say on what was stdout how that went."""
    out = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    with contextlib.suppress(ValueError):  # a lower limit is set already
        resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        match kind:
            case "module":
                import_module(*asked)
            case "study":
                import_module(*asked)
                if find_spec(analyses := f"{asked[0]}.analyses") is not None:
                    import_module(analyses)
            case _:
                import_file(asked[0], Path(asked[1]))
    except BaseException as failure:  # noqa: BLE001 - whatever it is, the parent says it
        os.write(out, " ".join(f"{type(failure).__name__}: {failure}".split())[:500].encode(errors="replace"))
        os._exit(1)
    os.write(out, PASSED.encode())
    os._exit(0)  # what the plug-in would do at the end of a process is no part of its import

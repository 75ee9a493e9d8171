"""Plug-ins from a file: a Python file of the user's own, whose objects are found like those of installed packages.

A file is known by its last name, because records hold no paths of a machine; its SHA-256 says which content it had. Its
code runs with the user's rights, as an installed plug-in's does: only files that a command or an experiment names.
"""

import hashlib
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType

from rlvr_bench.plugins.importing import naming
from rlvr_bench.plugins.suggestion import did_you_mean
from rlvr_bench.plugins.trial import file_refusal, import_file

REFERENCE = re.compile(r"(?P<file>.+\.py):(?P<name>[A-Za-z_]\w*)")
"""An object of a file: "my.py:fn"."""


class PluginError(Exception):
    """A plug-in file that cannot be used: one sentence with the fix."""


@dataclass(frozen=True, slots=True)
class PluginFile:
    """A file that was read; `objects` are those that it defines or makes itself, by their names in it."""

    path: Path
    sha256: str
    module: ModuleType

    @property
    def objects(self) -> Mapping[str, object]:
        """The public objects of the file; classes and functions that it imports from elsewhere are not its own."""
        return {
            name: item
            for name, item in vars(self.module).items()
            if not name.startswith("_") and _own(item, self.module)
        }

    def object(self, name: str) -> object:
        """Return the object of this name; raises `PluginError` where the file has none."""
        if name not in self.objects:
            functions = [key for key, item in self.objects.items() if callable(item)]
            hint = did_you_mean(name, functions) if functions else ""
            raise PluginError(f"{self.path} has no {name!r}{hint or '; add it to the file'}")
        return self.objects[name]


def _own(item: object, module: ModuleType) -> bool:
    if isinstance(item, type | FunctionType):
        return item.__module__ == module.__name__
    return not isinstance(item, ModuleType)


_FILES: dict[str, PluginFile] = {}


def files() -> dict[str, PluginFile]:
    """Return the files that this process has read, by their last names."""
    return dict(_FILES)


def forget() -> None:
    """Forget all files, as in a new process."""
    for file in _FILES.values():
        sys.modules.pop(file.module.__name__, None)
    _FILES.clear()


def use(path: Path) -> PluginFile:
    """Read a plug-in file, once for each content.

    Raises:
        PluginError: it is not there, its import fails or never ends, or another file of this name is in use.
    """
    path = path.expanduser().resolve()
    if not path.is_file() or path.suffix != ".py":
        raise PluginError(f"plug-in {path} is no Python file; give the path of one that ends in .py")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    known = _FILES.get(path.name)
    if known is not None and known.sha256 == digest:
        return known
    if known is not None and known.path != path:
        raise PluginError(f"plug-ins {known.path} and {path} have one name and differ; rename one of them")
    _FILES[path.name] = PluginFile(path, digest, _imported(path))
    return _FILES[path.name]


def _imported(path: Path) -> ModuleType:
    name = f"rlvr_bench_plugin_{re.sub(r'[^a-z0-9]', '_', path.stem.lower())}"
    with naming(f"plug-in {path}"):
        if (reason := file_refusal(name, path)) is None:
            try:
                return import_file(name, path)
            except (Exception, SystemExit) as failure:  # noqa: BLE001 - the user's code: the sentence has to name its file
                reason = f"{type(failure).__name__}: {failure}"
    raise PluginError(f"plug-in {path} cannot be imported ({reason}); mend it")

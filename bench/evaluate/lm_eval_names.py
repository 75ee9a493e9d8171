"""Whether lm-eval has the tasks that a file names, told without building its index of some 14,000 files.

Reads the files as text: a name that stands nowhere in them is unknown for certain. What else may be wrong with a task
is found when a cell loads it.
"""

import re
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

from rlvr_bench.plugins.suggestion import did_you_mean

_NAMED = re.compile(r"""^\s*(?:-\s+)?["']?(?:task|group|tag)["']?[ \t]*:[ \t]*["']?([\w.:+-]+)""", re.MULTILINE)


def refusal(names: Iterable[str], files: Iterable[str], include_path: str | None) -> str | None:
    """What is wrong with names of tasks, files for their data and a folder of further tasks; None if nothing is.

    One sentence, with the nearest name that there is.
    """
    if include_path is not None and not Path(include_path).is_dir():
        return f"measurements.lm_eval.include_path: there is no folder {include_path}"
    for file in files:
        if not Path(file).expanduser().exists():
            return f"measurements.lm_eval.data_files: there is no file {file}; put it there or correct the path"
    texts = list(_texts(include_path))
    for name in names if texts else ():
        whole = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])")
        if not any(name in text and whole.search(text) for text in texts):
            known = {found for text in texts for found in _NAMED.findall(text)}
            return f"measurements.lm_eval: lm-eval has no task {name!r}{did_you_mean(name, sorted(known))}"
    return None


def _texts(include_path: str | None) -> Iterator[str]:
    """All task files of lm-eval, none where it is not installed, and those of a further folder."""
    spec = find_spec("lm_eval")
    if spec is None or spec.origin is None:
        return
    folders = [Path(spec.origin).parent / "tasks", *([Path(include_path)] if include_path is not None else [])]
    for folder in folders:
        for file in folder.rglob("*"):
            if file.suffix in ("", ".yaml", ".yml") and file.is_file():  # files that others include have no suffix
                yield file.read_text(encoding="utf-8", errors="replace")

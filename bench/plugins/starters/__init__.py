"""Small packages to start a plug-in from: a module, its entry point, and a test that proves it.

Each kind is a few text files in this folder, in which `my_plugin`, `my-plugin` and `MyPlugin` stand for the name.
"""

import re
from pathlib import Path
from typing import NamedTuple


class Starter(NamedTuple):
    """The entry-point group of a kind, what its entry point names in the module, and how the name is written."""

    group: str
    object: str
    snake_case: bool = False


STARTERS = {
    "method": Starter("rlvr_bench.methods", "MyPlugin"),
    "task": Starter("rlvr_bench.tasks", "TASK"),
    "reward": Starter("rlvr_bench.rewards", "REWARD"),
    "measurement": Starter("rlvr_bench.measurements", "MyPlugin", snake_case=True),
}

PYPROJECT = """[build-system]
requires = ["setuptools>=80"]
build-backend = "setuptools.build_meta"

[project]
name = "my-plugin"
version = "0.1.0"
description = "A {kind} for rlvr-bench"
requires-python = ">=3.11"
dependencies = ["rlvr-bench"]

[project.entry-points."{group}"]
{entry} = "my_plugin:{object}"

[tool.setuptools]
py-modules = [{modules}]
"""


def package_files(kind: str, name: str) -> dict[str, str]:
    """Return the files of a package with one plug-in: path in the package -> text.

    Raises:
        ValueError: the name gives no name of a module.
    """
    module = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if not module or module[0].isdigit():
        raise ValueError(f"{name!r} gives no name of a Python module; begin it with a letter")
    starter = STARTERS[kind]
    texts = {path.name.removesuffix(".txt"): path.read_text(encoding="utf-8") for path in _texts(kind)}
    modules = [file for file in sorted(texts) if not file.startswith("test_")]
    pyproject = PYPROJECT.format(
        kind=kind,
        group=starter.group,
        entry="my_plugin" if starter.snake_case else "my-plugin",
        object=starter.object,
        modules=", ".join(f'"{file.removesuffix(".py")}"' for file in modules),
    )
    files = {"pyproject.toml": pyproject} | {
        (f"tests/{file}" if file.startswith("test_") else file): text for file, text in texts.items()
    }
    return {_renamed(path, module): _renamed(text, module) for path, text in files.items()}


def _texts(kind: str) -> list[Path]:
    return sorted((Path(__file__).parent / kind).glob("*.txt"))


def _renamed(text: str, module: str) -> str:
    class_name = "".join(word.capitalize() for word in module.split("_"))
    text = text.replace("my_plugin", module).replace("my-plugin", module.replace("_", "-"))
    return text.replace("MyPlugin", class_name)

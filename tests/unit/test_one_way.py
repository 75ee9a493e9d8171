"""What the package does in one place only: escaping for HTML, and putting files where others read them."""

import ast
import os
from pathlib import Path

import pytest

from rlvr_bench.console.pages import template
from rlvr_bench.record.atomic import put_folder
from rlvr_bench.record.errors import RecordError

ROOT = Path(__file__).parents[2]

WRITERS = {
    "bench/record/atomic.py": "puts files and folders in place",
    "bench/models/organisms/card.py": "into a folder that is put in place later",
    "bench/models/organisms/build.py": "moves what a build finished, so that it goes on after a kill",
    "bench/cell/export.py": "into a temporary folder",
    "methods/base/handle.py": "into a folder of its caller",
    "bench/launch/forking.py": "a process to its parent",
    "bench/cli/docs_tables.py": "the docs of this repository",
}


def modules() -> dict[str, ast.Module]:
    paths = [path for folder in ("bench", "methods", "tasks") for path in sorted((ROOT / folder).rglob("*.py"))]
    starters = ROOT / "bench/plugins/starters"
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in paths
        if path.parent == starters or starters not in path.parents
    }


def imported(tree: ast.Module) -> set[str]:
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def puts_files(tree: ast.Module) -> bool:
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            renames = call.func.attr in ("replace", "rename") and len(call.args) == 1 and not call.keywords
            if renames or call.func.attr in ("write_text", "write_bytes"):
                return True
    return False


def test_html_is_made_in_one_module() -> None:
    markup = {"jinja2": "bench/console/pages.py", "markupsafe": "bench/console/pages.py"}
    for name, tree in modules().items():
        assert all(markup[package] == name for package in imported(tree) & markup.keys()), name
    # The verifier reads entities of completions; nothing else needs the module.
    assert [name for name, tree in modules().items() if "html" in imported(tree)] == ["tasks/verifiers/spelling.py"]


def test_a_page_writes_the_markup_of_strangers_as_text(tmp_path: Path) -> None:
    (tmp_path / "page.j2").write_text("<p title='{{ name }}'>{{ name }}</p>")
    shown = template(tmp_path, "page.j2").render(name="<script>'&")
    assert shown == "<p title='&lt;script&gt;&#39;&amp;'>&lt;script&gt;&#39;&amp;</p>"


def test_files_are_put_in_place_by_one_module() -> None:
    assert {name for name, tree in modules().items() if puts_files(tree)} == set(WRITERS)


def test_a_folder_takes_the_place_of_another_whole(tmp_path: Path) -> None:
    old, new = tmp_path / "model", tmp_path / ".model.x.tmp"
    (old / "sub").mkdir(parents=True)
    (old / "left.bin").write_text("old")
    (new / "sub").mkdir(parents=True)
    (new / "sub" / "weights.bin").write_text("new")
    put_folder(new, old)
    assert [path.relative_to(old).as_posix() for path in sorted(old.rglob("*"))] == ["sub", "sub/weights.bin"]
    assert not new.exists() and old.stat().st_mode & 0o055 == 0o055 & ~_umask()


def test_a_folder_that_cannot_be_put_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    with pytest.raises(RecordError, match="make the folder writable or choose another"):
        put_folder(tmp_path / "new", tmp_path / "none" / "model")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

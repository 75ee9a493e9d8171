import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlvr_bench.plugins.registry import Registry, plugin_entries
from rlvr_bench.plugins.suggestion import did_you_mean

GROUP = "rlvr_bench.test_shapes"


def _refusal(item: object) -> str | None:
    return None if isinstance(item, str) else f"is a {type(item).__name__}; offer a text"


SHAPES: Registry[str] = Registry(
    "shape",
    GROUP,
    {"square": 4, "triangle": 3},
    LookupError,
    refusal=_refusal,
    load=lambda corners: f"{corners} corners",
    reserved=["box"],
)


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "outside_shapes.py").write_text("circle = 'no corners'\nfive = 5\n")
    (tmp_path / "broken_shapes.py").write_text("raise ZeroDivisionError('not today')\n")
    (tmp_path / "leaving_shapes.py").write_text("import sys\nsys.exit(3)\n")
    for package, entries in {
        "first": "circle = outside_shapes:circle\nfive = outside_shapes:five\ngone = outside_shapes:gone\n"
        "bad = broken_shapes:bad\nleaves = leaving_shapes:bad\ntwice = outside_shapes:circle\n",
        "second": "square = outside_shapes:circle\ntwice = outside_shapes:five\nbox = outside_shapes:circle\n",
    }.items():
        folder = tmp_path / f"{package}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[{GROUP}]\n{entries}")
    monkeypatch.syspath_prepend(str(tmp_path))
    plugin_entries.cache_clear()
    yield
    plugin_entries.cache_clear()
    for module in ("outside_shapes", "broken_shapes", "leaving_shapes"):
        sys.modules.pop(module, None)


def test_rows_are_loaded_when_asked_for_and_unknown_names_get_the_nearest() -> None:
    assert SHAPES.names() == ["square", "triangle"] and SHAPES.find("square") == "4 corners"
    with pytest.raises(LookupError, match=r"^unknown shape 'sqare'; did you mean 'square'\?$"):
        SHAPES.find("sqare")
    with pytest.raises(LookupError, match=r"^unknown shape 'Bxo'; did you mean 'box'\?$"):
        SHAPES.find("Bxo")
    with pytest.raises(
        LookupError, match=r"^unknown shape 'zz'; choose from square, triangle, box; if a plug-in has it, install"
    ):
        SHAPES.find("zz")


def test_a_plugin_is_imported_only_when_it_is_asked_for(plugins: None) -> None:
    assert SHAPES.names() == ["square", "triangle", "bad", "box", "circle", "five", "gone", "leaves", "twice"]
    assert "outside_shapes" not in sys.modules and "broken_shapes" not in sys.modules
    assert SHAPES.find("circle") == "no corners"
    assert "broken_shapes" not in sys.modules


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("five", r"plug-in shape 'five' \(outside_shapes:five\) is a int; offer a text"),
        ("gone", r"plug-in shape 'gone' .* cannot be imported \(AttributeError: .*\); mend or uninstall it"),
        ("bad", r"plug-in shape 'bad' .* cannot be imported \(ZeroDivisionError: not today\)"),
        ("leaves", r"plug-in shape 'leaves' .* cannot be imported \(SystemExit: 3\); mend or uninstall it"),
        ("square", "shape 'square' is registered by this package and by outside_shapes:circle; rename"),
        ("box", "shape 'box' is registered by this package and by outside_shapes:circle; rename"),
        ("twice", "shape 'twice' is registered by outside_shapes:circle and by outside_shapes:five; rename"),
    ],
)
def test_what_cannot_be_used_is_an_error_for_whoever_asks_and_a_line_in_a_listing(
    plugins: None, name: str, words: str
) -> None:
    with pytest.raises(LookupError, match=words):
        SHAPES.find(name)
    items, faults = SHAPES.available()
    assert items == {"triangle": "3 corners", "circle": "no corners"}
    assert len(faults) == 7 and any(f"'{name}'" in fault for fault in faults)


def test_one_wording_for_every_unknown_name() -> None:
    assert did_you_mean("lroa", ["lora", "loha", "full"]) == "; did you mean 'lora'?"
    assert did_you_mean("LORA", ["lora", "Full"]) == "; did you mean 'lora'?"
    assert did_you_mean("xyz", ["b", "a"]) == "; choose from b, a"

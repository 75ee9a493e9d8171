"""The rooms of the package in their order, and the picture of which imports which: both read from the source.

A room is a folder below `rlvr_bench`, or the module `api`. Imports inside functions count like all others.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import rlvr_bench
from rlvr_bench import methods, tasks

PACKAGE = "rlvr_bench"
ROW, TOP, SPINE, WIDTH = 24, 20, 140, 270
STYLE = "text{font:14px sans-serif;fill:#222}path{fill:none;stroke-width:1.5}"

Imports = Mapping[str, frozenset[str]]
"""Room -> the rooms that it imports itself."""


def rooms() -> dict[str, str]:
    """Return every room with the first line of its docstring, those that import most first: imports lead downwards."""
    found = imports()
    order = sorted(found, key=lambda room: (-_height(room, found), room))
    return {room: _first_line(_sources()[room][0]) for room in order}


@cache
def imports() -> Imports:
    """Return which room imports which."""
    sources = _sources()
    return {
        room: frozenset(other for path in paths for other in _imported(path) if other != room and other in sources)
        for room, paths in sources.items()
    }


def needed(found: Imports) -> dict[str, list[str]]:
    """Return of each room's imports those that no other of them implies (the transitive reduction)."""
    return {
        room: sorted(other for other in others if not any(other in _below(each, found) for each in others))
        for room, others in found.items()
    }


def architecture_svg() -> str:
    """Return the picture: a line of rooms, and from each an arc of its colour down to those that it imports."""
    order, direct = [*rooms()], needed(imports())
    height = TOP + ROW * len(order)
    at = {room: TOP + ROW * place for place, room in enumerate(order)}
    colour = {room: f"hsl({47 * place % 360} 60% 40%)" for place, room in enumerate(order)}
    arcs = [_arc(at[room], at[other], colour[room]) for room in order for other in direct[room]]
    names = [
        f'<circle cx="{SPINE}" cy="{at[room]}" r="4" fill="{colour[room]}"/>'
        f'<text x="{SPINE + 14}" y="{at[room] + 5}">{room}</text>'
        for room in order
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">'
    title = "<title>Each room of rlvr_bench with an arc down to every room that it imports</title>"
    ground = f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
    return "\n".join([head, title, f"<style>{STYLE}</style>", ground, *arcs, *names, "</svg>\n"])


def rooms_markdown() -> str:
    """Return the rooms as a Markdown table in the order of the picture."""
    direct = needed(imports())
    lines = ["| room | what it is for | imports |", "|---|---|---|"]
    lines += [
        f"| `{room}` | {purpose} | {', '.join(f'`{other}`' for other in direct[room])} |"
        for room, purpose in rooms().items()
    ]
    return "\n".join(lines) + "\n"


def _arc(start: int, end: int, colour: str) -> str:
    """Return half an ellipse to the left of the spine, the wider the farther it leads."""
    across = round(min((end - start) * 0.45, SPINE - 10), 1)
    return f'<path stroke="{colour}" d="M{SPINE} {start}A{across} {(end - start) / 2} 0 0 0 {SPINE} {end}"/>'


@cache
def _sources() -> dict[str, list[Path]]:
    """Return the files of each room, its `__init__` first."""
    folders = {path.name: path for path in Path(rlvr_bench.__path__[0]).iterdir()}
    folders |= {each.__name__.rpartition(".")[2]: Path(each.__path__[0]) for each in (methods, tasks)}
    holders = {name: folder for name, folder in folders.items() if (folder / "__init__.py").is_file()}
    found = {name: sorted(folder.rglob("*.py")) for name, folder in holders.items()}
    return found | {"api": [folders["api.py"]]}


def _imported(path: Path) -> Iterator[str]:
    """Yield the room of everything of this package that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=aliases):
                names: Sequence[str] = [alias.name for alias in aliases]
            case ast.ImportFrom(module=str(module), names=aliases):
                names = [f"{module}.{alias.name}" for alias in aliases]
            case _:
                continue
        yield from (name.split(".")[1] for name in names if name.startswith(f"{PACKAGE}."))


def _below(room: str, found: Imports) -> frozenset[str]:
    """Return every room that one leads to, over any number of imports; they have no cycles."""
    return found[room].union(*(_below(other, found) for other in found[room]))


def _height(room: str, found: Imports) -> int:
    return 1 + max((_height(other, found) for other in found[room]), default=0)


def _first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]

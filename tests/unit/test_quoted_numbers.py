"""Numbers that README and docs quote beside a method's or a claim's name are those of the committed tables.

The grammar, outside of code: the cells of the README's board; and in a sentence that names a method in code quotes, a
claim's id or a tau, every number with a unit (%, points), a decimal point or in brackets. A number is found if one of
the named rows has it at the precision quoted, as a fraction or in per cent, or, of points, if two named rows differ by
it.
"""

import csv
import json
import re
from itertools import permutations
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results"
TABLES = ("leaderboard.csv", "over-bases.csv", "methods-cost.csv", "methods-cost-smollm2.csv")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

NUMBER = re.compile(r"(?<![\w.-])-?\d+(?:\.\d+)?")
QUOTED = re.compile(
    r"(?<![\w.-])(-?\d+\.\d+|-?\d+(?= (?:%|points))|-?\d+(?= to -?\d+ (?:%|points))|(?<=\[)-?\d+|-?\d+(?=\]))"
)
CLAIM = re.compile(r"\b[A-Z]\d+[a-z]?\b")


def _rows() -> dict[str, list[dict[str, str]]]:
    """Return the lines of all tables by method."""
    rows: dict[str, list[dict[str, str]]] = {}
    for name in TABLES:
        with (RESULTS / name).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                rows.setdefault(row["method"], []).append(row)
    return rows


def _claims() -> dict[str, list[float]]:
    claims: dict[str, list[float]] = {}
    for entry in json.loads((RESULTS / "findings.json").read_text(encoding="utf-8")):
        numbers = [entry[name] for name in ("estimate", "low", "high", "threshold", "margin", "q")]
        numbers += [*entry["p"].values(), *(entry["settings"] or {}).values(), *entry["sides"]]
        claims.setdefault(entry["id"], []).extend(number for number in numbers if number is not None)
    return claims


def _taus() -> list[float]:
    """Return the numbers of the tables of Kendall's tau in the findings' page."""
    page = (RESULTS / "findings.md").read_text(encoding="utf-8")
    tables = re.findall(r"^\| order \|.*?(?=^$)", page, re.MULTILINE | re.DOTALL)
    return [float(number) for table in tables for number in NUMBER.findall(table)]


ROWS, CLAIMS, TAUS = _rows(), _claims(), _taus()


def _values(method: str) -> list[float]:
    return [float(cell) for row in ROWS[method] for cell in row.values() if cell and NUMBER.fullmatch(cell)]


def _is(quoted: str, value: float) -> bool:
    digits = len(quoted.partition(".")[2])
    return any(abs(float(quoted) - scale * value) <= 0.5001 * 10**-digits for scale in (1, 100))


def _sentences(text: str) -> list[str]:
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    lines = "\n".join(line for line in prose.splitlines() if not line.startswith(("|", "#")))
    flat = re.sub(r"\s+", " ", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", lines))
    return re.split(r"(?<=[.;:]) ", flat)


def faults(text: str) -> list[str]:
    """Return each number of a page's sentences that no named row has, with its sentence."""
    found = []
    for sentence in _sentences(text):
        methods = [name for name in re.findall(r"`([^`]+)`", sentence) if name in ROWS]
        claims = [name for name in CLAIM.findall(sentence) if name in CLAIMS]
        values = [value for name in methods for value in _values(name)]
        values += [value for name in claims for value in CLAIMS[name]]
        means = [float(row["accuracy"]) for name in methods for row in ROWS[name] if row.get("accuracy")]
        values += [one - other for one, other in permutations(means[:400], 2)] if "points" in sentence else []
        values += TAUS if " tau " in sentence else []
        if values:
            found += [
                f"{each}: {sentence}" for each in QUOTED.findall(sentence) if not any(_is(each, v) for v in values)
            ]
    return found


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_numbers_in_sentences_are_in_the_tables(page: Path) -> None:
    assert not faults(page.read_text(encoding="utf-8"))


def test_figures_of_performance_are_in_the_notebook() -> None:
    """Commands and links apart, every number of the page stands in LOG.md as it is written."""
    page = re.sub(
        r"```.*?```|`[^`]*`|\]\([^)]*\)", "", (ROOT / "docs" / "performance.md").read_text("utf-8"), flags=re.DOTALL
    )
    log = set(NUMBER.findall((ROOT / "LOG.md").read_text(encoding="utf-8").replace(",", "")))
    numbers = NUMBER.findall(page.replace(",", ""))
    assert len(numbers) > 50
    assert not [number for number in numbers if number not in log]


def test_a_number_that_is_in_no_table_is_found() -> None:
    row = next(row for row in ROWS["full"] if row.get("accuracy_lo"))
    true = f"`full` has {100 * float(row['accuracy']):.1f} % [{100 * float(row['accuracy_lo']):.1f}]."
    assert not faults(true)
    assert len(faults("`full` has 12.3456 %.")) == 1
    assert not faults("Nobody is named beside 12.3456 %.") and not faults("```\n`full` 12.3456 %\n```")
    name, numbers = next((name, numbers) for name, numbers in CLAIMS.items() if numbers)
    assert not faults(f"Claim {name} is at {numbers[0]:.4f}.")
    assert len(faults(f"Claim {name} is at 98.7654.")) == 1


def test_the_board_of_the_readme_is_in_the_leaderboard() -> None:
    lines = [[cell.strip() for cell in line.strip().split("|")[1:-1]] for line in _board()]
    bases = [cell.partition(",")[0] for cell in lines[0][2:4]]
    assert len(lines) > 3
    for name, trainable, *cells, broken in lines[2:]:
        method = name.strip("`") if name.startswith("`") else "base"
        shown = [_board_rows(method, base, cell) for base, cell in zip(bases, cells, strict=True)]
        assert all(shown), f"{name}: {cells} is in no row of leaderboard.csv"
        if method == "base":
            continue
        assert _is(trainable.removesuffix(" %"), float(shown[0][0]["trainable_share"])), name
        quoted = tuple(map(int, NUMBER.findall(broken)))
        assert quoted in {_broken(one, two) for one in shown[0] for two in shown[1]}, name


def _broken(*rows: dict[str, str]) -> tuple[int, int]:
    """Return the broken runs of rows, and all of their runs."""
    runs = [int(row["seeds"]) for row in rows]
    return round(sum(float(row["broken"]) * of for row, of in zip(rows, runs, strict=True))), sum(runs)


def _board() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^\|.*$", text[text.index("| method | trainable |") :].split("\n\n")[0], re.MULTILINE)


def _board_rows(method: str, base: str, cell: str) -> list[dict[str, str]]:
    """Return the rows of the leaderboard that a cell "mean [low, high]" stands for."""
    quoted = NUMBER.findall(cell)
    names = ("accuracy_sound", "accuracy_sound_lo", "accuracy_sound_hi")

    def fits(row: dict[str, str]) -> bool:
        pairs = zip(names, quoted, strict=True)
        return row.get("base") == base and all(row.get(name) and _is(each, float(row[name])) for name, each in pairs)

    return [row for row in ROWS[method] if fits(row)]

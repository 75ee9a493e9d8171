"""Rows as text that other programs read: CSV, Markdown, LaTeX.

A spreadsheet takes a CSV field that begins with `=`, `+`, `-`, `@` or a tab for a formula, and runs it. Such a text is
written after a single quote, which spreadsheets hide (OWASP's rule), and so is one that has that quote already; reading
takes one quote away. A carriage return within a text, which Python writes without quotes, becomes a space. Numbers are
written as they are.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


_FORMULA = re.compile(r"'*[=+\-@\t]")


def neutral(value: Any) -> Any:
    """Return a value of a CSV field so that no spreadsheet runs it; what is no text is left as it is."""
    if not isinstance(value, str):
        return value
    text = value.replace("\r", " ")
    return f"'{text}" if _FORMULA.match(text) else text


def original(text: str) -> str:
    """Return the text that `neutral` was given."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def as_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], header: bool = True) -> str:
    """Return the columns of the rows as CSV, by default with a header line; None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([columns] if header else [])
    writer.writerows([neutral(row[column]) for column in columns] for row in rows)
    return text.getvalue()


def as_markdown(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Return the columns of the rows as a Markdown table."""
    lines = [list(columns), ["---"] * len(columns), *([_flat(row[column]) for column in columns] for row in rows)]
    escaped = [[cell.replace("|", "\\|").replace("<", "&lt;") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in escaped)


def as_latex(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Return the columns of the rows as a LaTeX tabular with booktabs rules; numbers are aligned to the right."""
    numeric = [any(isinstance(row[column], int | float) for row in rows) for column in columns]
    lines = [list(columns), *([_flat(row[column]) for column in columns] for row in rows)]
    head, *body = (" & ".join(_escaped(cell) for cell in line) + r" \\" for line in lines)
    alignment = "".join("r" if right else "l" for right in numeric)
    return "\n".join(
        [
            rf"\begin{{tabular}}{{{alignment}}}",
            r"\toprule",
            head,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _flat(value: Any) -> str:
    return "" if value is None else " ".join(str(value).split())


def _escaped(text: str) -> str:
    return re.sub(r"[\\~^&%$#_{}]", lambda match: LATEX[match[0]], text)

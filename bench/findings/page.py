"""findings.md: the verdicts as a page that a reader of the repository sees."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

HEAD = """# Findings

Verdicts on published claims, derived by `rlvr-bench findings` from the run records in this folder. A claim is supported
when the whole 95 % interval of our estimate is on its side of the threshold, contradicted when it is on the other, and
undecided otherwise. The rules are in `hypotheses/`, the numbers with their cell ids in `findings.json`.
A verdict on an organism (a model of 0.3 M parameters) is a verdict on that organism.
"""


def as_markdown(entries: Sequence[Mapping[str, Any]]) -> str:
    """Return the page: a line that counts, the table of verdicts, then source, test and reason of each claim."""
    counts = Counter(entry["verdict"] for entry in entries)
    said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in ("supported", "contradicted", "undecided"))
    rows = ["| id | base | verdict | estimate | rule | seeds | claim |", "|---|---|---|---|---|---|---|"]
    rows += [_row(entry) for entry in entries]
    by_id = {entry["id"]: entry for entry in reversed(entries)}
    notes = [_note(by_id[name], entries) for name in dict.fromkeys(entry["id"] for entry in entries)]
    return "\n".join([HEAD, f"{said}.\n", *rows, "\n## How each was tested\n", *notes]) + "\n"


def _row(entry: Mapping[str, Any]) -> str:
    cells = (
        entry["id"],
        entry["base"] or "–",
        f"**{entry['verdict']}**" if entry["verdict"] != "undecided" else "undecided",
        interval(entry),
        f"{'>' if entry['side'] == 'above' else '<'} {entry['threshold']:g}",
        str(len(entry["seeds"])),
        entry["claim"],
    )
    return "| " + " | ".join(escaped(cell) for cell in cells) + " |"


def interval(entry: Mapping[str, Any]) -> str:
    """Return an entry's estimate with its interval, as far as it has them."""
    if entry["estimate"] is None:
        return "–"
    text = f"{entry['estimate']:.3g}"
    low, high = (None if entry[end] is None else f"{entry[end]:.3g}" for end in ("low", "high"))
    return text if low is None and high is None else f"{text} [{low or '-∞'}, {high or '∞'}]"


def _note(entry: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> str:
    published = f" Published: {entry['published']}." if entry["published"] else ""
    lines = [f"- **{entry['id']}** ({entry['source']}). {entry['test']}.{published}"]
    for each in entries:
        if each["id"] == entry["id"] and each["reason"]:
            lines.append(f"  - {each['base'] or 'no base'}: {each['reason']}")
    return "\n".join(escaped(line) for line in lines)


def escaped(text: str) -> str:
    """Return text that stays in its table cell and makes no markup: names come from files."""
    flat = " ".join(text.split(" ")).replace("\n", " ").replace("\r", " ")
    return flat.replace("|", "\\|").replace("<", "&lt;")

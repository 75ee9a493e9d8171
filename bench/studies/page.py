"""findings.md: the verdicts as a page that a reader of the repository sees.

A section per topic: how its claims stand, a line per claim with what each base model says, then how each was tested.
"""

from collections.abc import Mapping, Sequence
from math import floor, log10
from typing import Any

from rlvr_bench.leaderboard.over_bases import OverBases

JudgedClaim = Mapping[str, Any]

HEAD = """# Findings

Verdicts on published claims, derived by `rlvr-bench findings` from the run records in this folder. On one base model a
claim is supported (✓) when the whole 95 % interval of our estimate is on its side of the threshold, contradicted (✗)
when it is on the other, negligible (≈) when the interval lies within the claim's own margin of the threshold, and
undecided (?) otherwise: a wide interval asks for more runs. Intervals are over seeds and, for accuracies, over the
test problems too. Rules and margins are in `bench/studies/*/claims.toml`, the numbers with their cell ids in
`findings.json`. Each verdict rests on runs of one result schema. A verdict on an organism (a model of 0.3 M
parameters) is a verdict on that organism.
"""

STANDINGS = {
    "supported": "supported by every base model that decides them",
    "contradicted": "contradicted by every base model that decides them",
    "negligible": "whose effect is negligible on every base model that decides them",
    "mixed": "decided differently by different base models",
    "undecided": "not decided by any",
}
"""How a claim stands over its base models -> what the page calls it, in the page's order."""

FALSE_DISCOVERY_RATE = 0.05
"""Expected share of false ones among the verdicts that are not marked `WEAK`."""

WEAK = "°"
"""Mark of a verdict that does not hold at the page's false discovery rate."""

MARKS = {"supported": "✓", "contradicted": "✗", "negligible": "≈", "undecided": "?"}


def as_markdown(entries: Sequence[JudgedClaim], orders: Sequence[OverBases] = ()) -> str:
    """Return the page: verdicts by topic, then how methods rank over bases."""
    topics = dict.fromkeys(entry["topic"] for entry in entries)
    sections = [_section(topic, [entry for entry in entries if entry["topic"] == topic]) for topic in topics]
    return "\n".join([HEAD, false_discovery(entries), *sections, *map(_orders, orders)]) + "\n"


def _orders(of: OverBases) -> str:
    """Return how the methods of one setting rank over its bases, and how far the orders agree."""
    lines = [
        f"## Methods over bases: {escaped(of.setting)}\n",
        f"{len(of.methods)} methods on {' and '.join(of.bases)}, {of.runs} runs each, result schema {of.result_schema}."
        " Ranks are averaged over bases, 1 is the best; the interval is a bootstrap over runs and problems. Shares are"
        " of all runs (a performance profile: Agarwal et al. 2021). All numbers: `over-bases.csv`.\n",
        _row(["method", "rank [95 %]", "runs above 80 %", "worst run", "trainable"]),
        "|---|---|---:|---:|---:|",
    ]
    for method in of.methods:
        share = "" if method.trainable_share is None else f"{method.trainable_share:.3g}"
        rank = f"{method.rank.mean:.1f} [{method.rank.low:.1f}, {method.rank.high:.1f}]"
        lines.append(_row([method.method, rank, f"{method.above[1].mean:.0%}", f"{method.worst:.1%}", share]))
    lines += [
        "",
        _row(["order", "against", "methods", "Kendall's tau [95 %]", "among the better ones"]),
        "|---|---|---:|---|---|",
    ]
    for pair in of.agreements:
        tau = f"{pair.tau.mean:.2f} [{pair.tau.low:.2f}, {pair.tau.high:.2f}]"
        better = "" if pair.tau_of_better is None else f"{pair.tau_of_better:.2f} of {pair.better}"
        lines.append(_row([pair.one, pair.other, str(pair.methods), tau, better]))
    lines += ["", "Intervals of tau are a bootstrap over methods: what other methods of this kind would have given."]
    return "\n".join(lines) + "\n"


def false_discovery(entries: Sequence[JudgedClaim]) -> str:
    """Return what the page's many tests mean for its verdicts, as a paragraph."""
    decided = [entry for entry in entries if entry["verdict"] != "undecided"]
    strong = [entry for entry in decided if not is_weak(entry)]
    tests = sum(len(entry["p"]) for entry in entries)
    return (
        f"**{len(strong)} of {len(decided)} verdicts hold at a false discovery rate of {FALSE_DISCOVERY_RATE:.0%} over"
        f" this page**: at most one in {1 / FALSE_DISCOVERY_RATE:.0f} of them is expected to be false (Benjamini &"
        f" Yekutieli 2001, over all {tests} tests, valid whatever the dependence between claims that share runs). The"
        f" others are marked {WEAK}: their interval alone decides them.\n"
    )


def is_weak(entry: JudgedClaim) -> bool:
    """Whether an entry has a verdict that does not hold at the page's false discovery rate."""
    return entry["verdict"] != "undecided" and (entry["q"] is None or entry["q"] > FALSE_DISCOVERY_RATE)


def standing(entries: Sequence[JudgedClaim]) -> str:
    """Return how one claim stands over the base models that it was judged on: a key of `STANDINGS`."""
    decided = {entry["verdict"] for entry in entries} - {"undecided"}
    return "mixed" if len(decided) > 1 else next(iter(decided), "undecided")


def _section(topic: str, entries: Sequence[JudgedClaim]) -> str:
    claims: dict[str, list[JudgedClaim]] = {}
    for entry in entries:
        claims.setdefault(entry["id"], []).append(entry)
    standings = {name: standing(judged) for name, judged in claims.items()}
    bases = sorted({entry["base"] for entry in entries if entry["base"]})
    lines = [f"## {escaped(topic)}\n"]
    for name_of_standing, sentence in STANDINGS.items():
        names = [name for name in claims if standings[name] == name_of_standing]
        if names:
            lines.append(f"**{len(names)} {'claim' if len(names) == 1 else 'claims'} {sentence}**\n")
            lines += [_row(["id", "claim", "rule", *bases]), "|" + "---|" * (3 + len(bases))]
            lines += [*(_claim(claims[name], bases) for name in names), ""]
    lines.append("### How each was tested\n")
    return "\n".join([*lines, *(_note(judged) for judged in claims.values())]) + "\n"


def _claim(judged: Sequence[JudgedClaim], bases: Sequence[str]) -> str:
    """Return the line of one claim, judged on some of the base models."""
    first, of = judged[0], {entry["base"]: entry for entry in judged}
    margin = f" (± {first['margin']:g})" if first["margin"] else ""
    rule = f"{'>' if first['side'] == 'above' else '<'} {first['threshold']:g}{margin}"
    return _row([first["id"], first["claim"], rule, *(_verdict(of[base]) if base in of else "" for base in bases)])


def _verdict(entry: JudgedClaim) -> str:
    return f"{MARKS[entry['verdict']]}{WEAK if is_weak(entry) else ''} {interval(entry)}{counted_seeds(entry)}"


def counted_seeds(entry: JudgedClaim) -> str:
    """Return how many seeds an entry rests on: of each side, where they differ."""
    counts = list(dict.fromkeys(entry["sides"])) or ([len(entry["seeds"])] if entry["seeds"] else [])
    return f" ({' against '.join(map(str, counts))} seed{'' if counts == [1] else 's'})" if counts else ""


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(escaped(cell) for cell in cells) + " |"


def interval(entry: JudgedClaim) -> str:
    """Return an entry's estimate with its interval, as far as it has them, to two digits of its width."""
    if entry["estimate"] is None:
        return "–"
    ends = [entry[end] for end in ("low", "high")]
    digits = _digits(entry["estimate"], *ends)
    estimate, low, high = (None if value is None else f"{value:.{digits}g}" for value in (entry["estimate"], *ends))
    return f"{estimate}" if low is None and high is None else f"{estimate} [{low or '-∞'}, {high or '∞'}]"


def _digits(estimate: float, low: float | None, high: float | None) -> int:
    """Return how many digits show an estimate and two digits of its interval's width; three at least."""
    if not estimate or low is None or high is None or not high > low:
        return 3
    return max(3, 2 + floor(log10(abs(estimate) / (high - low))))


def _note(judged: Sequence[JudgedClaim]) -> str:
    """Return how one claim was tested, and what must be known of each verdict."""
    first = judged[0]
    published = f" Published: {first['published']}." if first["published"] else ""
    lines = [f"- **{first['id']}** ({first['source']}). {first['test']}.{published}"]
    lines += [f"  - {entry['base'] or 'no base'}: {remark}" for entry in judged if (remark := _remark(entry))]
    return "\n".join(escaped(line) for line in lines)


def _remark(entry: JudgedClaim) -> str:
    """Return what must be known of one verdict: its schema, how it differs between settings, what was left out."""
    settings = entry["settings"]
    parts = [f"result schema {entry['result_schema']}"] if entry["result_schema"] is not None else []
    if settings:
        beyond = "" if settings["i_squared"] is None else f", I² {settings['i_squared']:.0%}"
        ends = f"{settings['low']:.3g} to {settings['high']:.3g}"
        parts.append(f"{settings['count']} settings from {ends}{beyond}")
    return "; ".join([*parts, *([entry["reason"]] if entry["reason"] else [])])


def escaped(text: str) -> str:
    """Return text that stays in its table cell and makes no markup: names come from files."""
    flat = " ".join(text.split(" ")).replace("\n", " ").replace("\r", " ")
    return flat.replace("|", "\\|").replace("<", "&lt;")

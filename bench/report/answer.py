"""The first thing that a reader asks: which method should I use, and why; by budget, by risk, with what is not known.

Where the same methods ran on several bases, they are ordered by their mean rank over all of them; else by accuracy if
sound in the comparison with the most ranked methods.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rlvr_bench.leaderboard.columns import Row
from rlvr_bench.leaderboard.over_bases import Agreement, MethodOverBases, OverBases
from rlvr_bench.leaderboard.row import BASE_METHOD
from rlvr_bench.report.kinds import is_organism
from rlvr_bench.report.standing import headline
from rlvr_bench.stats.broken import broken_share

Write = Callable[[float], str]
"""Writes a number for a reader."""

FEWEST = 3
"""Methods from which on there is a choice to advise on."""

MEMORY_TELLS = 1.5
"""Memory of the most expensive method over that of the cheapest, below which memory is no reason to choose."""


@dataclass(frozen=True)
class Candidate:
    """A method that may be chosen. `score` is its mean rank (lower is better) or its accuracy if sound (higher is).

    Attributes:
        accuracies: mean greedy accuracy by base, in the order of `Answer.bases`; None where it has none.
        broken: broken runs of all `runs`, with the 95 % interval of the share.
        trainable: share of the base's parameters that are trained, 0..1; None if it is not known, as for `memory_mb`.
    """

    method: str
    score: float
    low: float | None
    high: float | None
    accuracies: tuple[float | None, ...]
    broken: int
    runs: int
    broken_low: float
    broken_high: float
    trainable: float | None
    memory_mb: float | None


@dataclass(frozen=True)
class Answer:
    """What is said on the first screen; `candidates` are in order, the first is the one to take."""

    ranks: bool
    bases: tuple[str, ...]
    comparisons: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    headline: str
    statements: tuple[tuple[str, str], ...]


def answer(rows: Sequence[Row], orders: Iterable[OverBases]) -> Answer | None:
    """Return the answer of a results folder, None where no comparison ranks enough methods."""
    compared: dict[str, list[Row]] = {}
    for row in rows:
        compared.setdefault(str(row["comparison"]), []).append(row)
    widest = max(orders, key=lambda each: (each.result_schema, len(each.methods)), default=None)
    if widest is not None:
        return _over_bases(widest, compared)
    name = max(compared, key=lambda each: len(_ranked(compared[each])), default=None)
    if name is None or len(_ranked(compared[name])) < FEWEST:
        return None
    return _of_comparison(name, compared[name])


def answer_document(found: Answer | None) -> dict[str, Any] | None:
    """Return the answer as JSON-able data."""
    return None if found is None else asdict(found)


def _over_bases(found: OverBases, compared: Mapping[str, Sequence[Row]]) -> Answer:
    tables = [compared.get(name, ()) for name in found.comparisons]
    candidates = tuple(_candidate(method, tables) for method in found.methods)
    shared = f"Ranks, and accuracies beside them, are of {found.runs} runs of each method on each base, which all have."
    certain = [(f"On {base}", headline(rows)) for base, rows in zip(found.bases, tables, strict=True)]
    return Answer(
        True,
        found.bases,
        found.comparisons,
        candidates,
        _headline(candidates, f"the best mean rank over {len(found.bases)} bases", _rank(candidates)),
        (*_by_budget(candidates), ("Over bases", shared), *certain, *_not_known(found.bases, found.agreements)),
    )


def _candidate(method: MethodOverBases, tables: Sequence[Sequence[Row]]) -> Candidate:
    own = [row for rows in tables for row in rows if row["method"] == method.method]
    share = _broken(own)
    return Candidate(
        method.method, method.rank.mean, method.rank.low, method.rank.high, method.accuracies, *share,
        method.trainable_share, method.memory_mb,
    )  # fmt: skip


def _of_comparison(name: str, rows: Sequence[Row]) -> Answer:
    ranked = _ranked(rows)
    candidates = tuple(
        Candidate(
            str(row["method"]), _number(row["accuracy_sound"]) or 0.0, _number(row["accuracy_sound_lo"]),
            _number(row["accuracy_sound_hi"]), (_number(row["accuracy"]),), *_broken([row]),
            _number(row["trainable_share"]), _number(row["peak_memory_mb"]),
        )
        for row in sorted(ranked, key=lambda row: -(_number(row["accuracy_sound"]) or 0.0))
    )  # fmt: skip
    base, first = str(rows[0]["base"]), candidates[0]
    told = f"{_percent(first.score)} %{_interval(first, _percent)}"
    said = _headline(candidates, "the highest accuracy of its sound runs", told)
    statements = (*_by_budget(candidates), (f"On {base}", headline(rows)), *_not_known((base,), ()))
    return Answer(False, (base,), (name,), candidates, said, statements)


def _ranked(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row["rank_group"] and row["method"] != BASE_METHOD]


def _broken(rows: Sequence[Row]) -> tuple[int, int, float, float]:
    """Return the broken runs of the rows that were judged, all their runs, and the share's interval."""
    judged = [row for row in rows if row.get("broken") is not None]
    runs = [int(row["seeds"] or 0) + int(row.get("failed") or 0) for row in judged]
    if not any(runs):
        return 0, 0, 0.0, 1.0
    broken = round(sum(count * float(row["broken"] or 0) for count, row in zip(runs, judged, strict=True)))
    share = broken_share(broken, sum(runs))
    return broken, sum(runs), share.low, share.high


def _headline(candidates: Sequence[Candidate], why: str, told: str) -> str:
    first, *others = candidates
    trained = "" if first.trainable is None else f", {_percent(first.trainable)} % of the parameters trained"
    alike = sum(_overlap(first, other) for other in others)
    doubt = (
        f"{alike} of the other {len(others)} methods may be as good" if alike else "no other interval reaches its own"
    )
    return f"First choice: {first.method}. It has {why} ({told}){trained}, {_breaks(first)}; {doubt}."


def _overlap(one: Candidate, other: Candidate) -> bool:
    """Whether two intervals overlap; one that is not known overlaps with all."""
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return True
    return one.low <= other.high and other.low <= one.high


def _by_budget(candidates: Sequence[Candidate]) -> Iterable[tuple[str, str]]:
    """Yield what to take for a share of parameters, for a memory and at least risk."""
    shares = [(c.trainable, c) for c in candidates if c.trainable is not None]
    if shares:
        yield "By trainable share", _steps(shares, candidates, lambda share: f"{_percent(share)} %")
    memory = [(c.memory_mb, c) for c in candidates if c.memory_mb]
    if memory:
        low, high = min(memory, key=_price)[0], max(memory, key=_price)[0]
        if high < MEMORY_TELLS * low:
            yield "By memory", f"Memory is no reason to choose here: {low:.0f} to {high:.0f} MB over all methods."
        else:
            yield "By memory", _steps(memory, candidates, lambda megabytes: f"{megabytes:.0f} MB")
    known = [each for each in candidates if each.runs]
    if known:
        bad = sorted((each for each in known if each.broken), key=lambda each: -each.broken / each.runs)
        named = ", ".join(f"{each.method} {each.broken} of {each.runs}" for each in bad)
        spared = [each for each in known if not each.broken]
        told = f"{len(spared)} of {len(known)} methods broke in no run" if spared else "Every method broke in some run"
        least = min(spared, key=lambda each: each.runs, default=None)  # the interval of the others is narrower
        more = " or more" if least and any(each.runs > least.runs for each in spared) else ""
        bound = f" (of {least.runs}{more}: at most {_percent(least.broken_high)} % may break)" if least else ""
        yield "By P(broken)", f"{told}{bound}" + (f"; {named} runs broke." if named else ".")


def _steps(priced: Sequence[tuple[float, Candidate]], candidates: Sequence[Candidate], write: Write) -> str:
    """Return who is the best up to each price, from the lowest price on which the best changes."""
    order = {each.method: place for place, each in enumerate(candidates)}
    found: list[tuple[float, Candidate]] = []
    for price, each in sorted(priced, key=lambda pair: (pair[0], order[pair[1].method])):
        if not found or order[each.method] < order[found[-1][1].method]:
            found = [held for held in found if write(held[0]) != write(price)] + [(price, each)]
    return f"Up to {'; up to '.join(f'{write(price)} {each.method}' for price, each in found)}."


def _not_known(bases: Sequence[str], agreements: Iterable[Agreement]) -> Iterable[tuple[str, str]]:
    said = []
    for pair in agreements:
        if pair.one in bases and pair.other in bases:
            better = "" if pair.tau_of_better is None else f", {pair.tau_of_better:.2f} among the better {pair.better}"
            tau = f"{pair.tau.mean:.2f} [{pair.tau.low:.2f}, {pair.tau.high:.2f}]"
            said.append(f"The orders on {pair.one} and {pair.other} agree at a tau of {tau}{better}.")
    if all(is_organism(base) for base in bases):
        # those in folders were built by recipes of any size
        size = "" if any("/" in base for base in bases) else " of 0.34 M parameters"
        said.append(f"These are organisms{size}: they tell sign and order of an effect, not its size.")
    elif len(bases) == 1:
        said.append("One base: the order may be another one on yours.")
    if said:
        yield "Caveat", " ".join(said)


def _rank(candidates: Sequence[Candidate]) -> str:
    first = candidates[0]
    return f"{first.score:.1f}{_interval(first, lambda value: f'{value:.1f}')} of {len(candidates)}"


def _interval(each: Candidate, write: Write) -> str:
    return "" if each.low is None or each.high is None else f" [{write(each.low)}, {write(each.high)}]"


def _breaks(each: Candidate) -> str:
    if not each.runs:
        return "how often it breaks is not known"
    count = "none" if not each.broken else str(each.broken)
    return f"{count} of its {each.runs} runs broken [{_percent(each.broken_low)}, {_percent(each.broken_high)}] %"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}" if share >= 0.01 or share == 0 else f"{100 * share:.2g}"


def _price(pair: tuple[float, Candidate]) -> float:
    return pair[0]


def _number(value: Any) -> float | None:
    return None if value is None or isinstance(value, str) else float(value)

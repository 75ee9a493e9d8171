"""Which differences of one comparison are significant, in sentences that follow from its letters alone."""

from collections import Counter
from collections.abc import Sequence

from rlvr_bench.leaderboard.columns import Row
from rlvr_bench.leaderboard.row import BASE_METHOD

Statement = tuple[str, str]

MANY = 6
"""Of so many rows and more, the few that are left out are named where that is shorter."""


def headline(rows: Sequence[Row]) -> str:
    """Return in a sentence or two what the ranking of one comparison comes to."""
    ranked = [row for row in rows if row["rank_group"]]
    methods = [row for row in ranked if row["method"] != BASE_METHOD]
    if not methods:
        return "No method is ranked here."
    count, best = len(methods), methods[0]
    apart = [row for row in methods if not _tied(row, best)]
    if apart:
        said = f"{count} methods: {_named(best)} is better than {len(apart)} of the other {count - 1}, beyond noise."
    elif not all(_tied(row, other) for row in methods for other in methods):
        said = f"{count} methods: none is significantly different from {_named(best)}, the most accurate."
    elif count > 1:
        said = f"{count} methods: no two are significantly different, so their order is no ranking."
    else:
        said = "One method."
    base = next((row for row in ranked if row["method"] == BASE_METHOD), None)
    if base is None:
        return said
    better = [row for row in methods if not _tied(row, base) and ranked.index(row) < ranked.index(base)]
    return f"{said} {len(better)} of {count} {'is' if len(better) == 1 else 'are'} better than the untrained base."


def statements(rows: Sequence[Row]) -> list[Statement]:
    """Return (heading, sentence) pairs for the rows of one comparison, best first.

    Two rows are significantly different if they share no letter.
    """
    ranked = [row for row in rows if row["rank_group"]]
    methods = [row for row in ranked if row["method"] != BASE_METHOD]
    found: list[Statement] = []
    if methods:
        found += _best(methods) + _base(methods, ranked)
    else:
        found.append(("Not ranked", "No method of this comparison is ranked: nothing here is significantly different."))
    detectable = next((row["detectable_difference"] for row in ranked if row.get("detectable_difference")), None)
    if isinstance(detectable, float):
        sentence = f"True differences below about {100 * detectable:.0f} points between two methods are mostly missed."
        found.append(("Too small to see", sentence))
    found += _edges(rows)
    reasons = Counter(
        str(row["status"]).removeprefix("unranked: ") for row in rows if str(row["status"]).startswith("unranked")
    )
    found += [("Unranked", f"{count} row{'s' * (count != 1)}: {reason}.") for reason, count in reasons.items()]
    return found


def _best(methods: Sequence[Row]) -> list[Statement]:
    best = methods[0]
    tied = [row for row in methods[1:] if _tied(row, best)]
    apart = [row for row in methods[1:] if not _tied(row, best)]
    found: list[Statement] = []
    if tied:
        named = _most(tied, methods[1:], "other methods")
        found.append(("Not significantly different", f"{named} from {_named(best)}, the most accurate."))
    if apart and not tied:
        found.append(("Significantly different", f"{_named(best)} is better than every other method, beyond noise."))
    elif apart:
        verb = "is" if len(apart) == 1 else "are"
        found.append(("Significantly different", f"{_named(*apart)} {verb} worse than {_named(best)}, beyond noise."))
    candidates = [row for row in methods if row.get("may_be_best") == "yes"]
    if len(methods) > 1 and candidates and candidates != [best, *tied]:
        named = _most(candidates, methods, "methods")
        found.append(("May be the best", f"{named}: no row is told to be better than one of these."))
    if len(methods) == 1:
        found.append(("One method", f"{_named(best)} is the only method that is ranked."))
    return found


def _base(methods: Sequence[Row], ranked: Sequence[Row]) -> list[Statement]:
    base = next((row for row in ranked if row["method"] == BASE_METHOD), None)
    if base is None:
        return []
    tied = [row for row in methods if _tied(row, base)]
    worse = [row for row in methods if not _tied(row, base) and ranked.index(row) > ranked.index(base)]
    if not tied and not worse:
        return [("Against the base", "Every ranked method is better than the untrained base, beyond noise.")]
    found = []
    if tied:
        found.append(("Against the base", f"{_named(*tied)}: not significantly different from the untrained base."))
    if worse:
        found.append(("Against the base", f"{_named(*worse)}: worse than the untrained base, beyond noise."))
    return found


def _edges(rows: Sequence[Row]) -> list[Statement]:
    edges: dict[str, list[Row]] = {}
    for row in rows:
        if row.get("lr_edge"):
            edges.setdefault(str(row["lr_edge"]), []).append(row)
    return [
        ("Rate at an edge", f"{_named(*held)}: {edge} in the trials that chose the rate.")
        for edge, held in edges.items()
    ]


def _tied(row: Row, other: Row) -> bool:
    return bool(set(str(row["rank_group"])) & set(str(other["rank_group"])))


def _most(rows: Sequence[Row], among: Sequence[Row], what: str) -> str:
    """Return the names of rows, or of the few that they leave out."""
    absent = [row for row in among if row not in rows]
    if len(among) < MANY or len(absent) > len(rows) / 2:
        return _named(*rows)
    return f"All {len(among)} {what}" + (f" but {_named(*absent)}" if absent else "")


def _named(*rows: Row) -> str:
    names = [str(row["method"]) for row in rows]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

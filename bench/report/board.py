"""The leaderboard table as the page shows it: headings, and for every row a text and a sorting value per cell."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rlvr_bench.leaderboard.columns import BY_NAME, Row, Value

WIDTH, PADDING = 132.0, 6.0
"""Of the drawn intervals, in CSS pixels."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A column of the page's table; `name` is the leaderboard's column that it sorts by."""

    name: str
    label: str
    text: Callable[[Row], str]

    @property
    def meaning(self) -> str:
        """What the column is, as the README says it."""
        return BY_NAME[self.name].description.replace("`", "")


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval as it is drawn, in CSS pixels from the left; `base` is where the untrained base is."""

    low: float
    mean: float
    high: float
    base: float | None


@dataclass(frozen=True, slots=True)
class Line:
    """One row: its place in the leaderboard, its cells (text, sorting value), and its interval, if it has one."""

    place: int
    row: Row
    letters: str
    cells: tuple[tuple[str, Value], ...]
    interval: Interval | None


def headings(rows: Sequence[Row]) -> list[Heading]:
    """Return the columns in which some row has a value."""
    return [heading for heading in _HEADINGS if any(row.get(heading.name) is not None for row in rows)]


def lines(rows: Sequence[Row], places: Sequence[int], shown: Sequence[Heading]) -> list[Line]:
    """Return the lines of one comparison; `places` are those of its rows in the leaderboard."""
    alphabet = sorted({letter for row in rows for letter in str(row["rank_group"] or "")})
    base = _base(rows)
    ends = scale(rows)
    return [
        Line(
            place,
            row,
            _slots(row, alphabet),
            tuple((heading.text(row), row.get(heading.name)) for heading in shown),
            _interval(row, ends, base),
        )
        for place, row in zip(places, rows, strict=True)
    ]


def _slots(row: Row, alphabet: Sequence[str]) -> str:
    """Return a row's letters each in its own place, so that a shared letter is a column to the eye."""
    held = str(row["rank_group"] or "")
    return "".join(letter if letter in held else "\N{NO-BREAK SPACE}" for letter in alphabet) if held else ""


def _base(rows: Sequence[Row]) -> Value:
    """Return the accuracy of the untrained base."""
    return next((row["accuracy"] for row in rows if row["status"] == "reference"), None)


def scale(rows: Sequence[Row]) -> tuple[float, float]:
    """Return the range of the methods' intervals, stretched to the base if it is no further away than it is wide."""
    base = _base(rows)
    names = ("accuracy_sound_lo", "accuracy_sound", "accuracy_sound_hi")
    held = [row[name] for row in rows if row["status"] != "reference" for name in names]
    ends = [_float(value) for value in held if value is not None]
    if not ends or min(ends) == max(ends):
        return 0.0, 1.0
    low, high = min(ends), max(ends)
    if base is not None and 2 * low - high <= _float(base) <= 2 * high - low:
        return min(low, _float(base)), max(high, _float(base))
    return low, high


def _interval(row: Row, scale: tuple[float, float], base: Value) -> Interval | None:
    """Return what is drawn of a row, nothing if some of it lies off the scale; the base's mark where it is on it."""
    ends = [row["accuracy_sound_lo"], row["accuracy_sound"], row["accuracy_sound_hi"]]
    if any(end is None or not scale[0] - 1e-9 <= _float(end) <= scale[1] + 1e-9 for end in ends):
        return None
    low, mean, high = (_pixel(end, scale) for end in ends)
    near = base is not None and scale[0] <= _float(base) <= scale[1]
    return Interval(low, mean, high, _pixel(base, scale) if near else None)


def _pixel(value: Value, scale: tuple[float, float]) -> float:
    share = (_float(value) - scale[0]) / (scale[1] - scale[0])
    return round(PADDING + share * (WIDTH - 2 * PADDING), 1)


def percent(value: Value, sign: str = "") -> str:
    """Return a share in per cent with one digit, empty if undefined."""
    return "" if value is None else f"{100 * _float(value):{sign}.1f}".replace("-", "−")


def short(value: Value, digits: int = 3) -> str:
    """Return a number in few digits, empty if undefined."""
    return "" if value is None else f"{_float(value):.{digits}g}".replace("e-0", "e-").replace("-", "−")


def count(value: Value) -> str:
    """Return a whole number in groups of three, empty if undefined."""
    return "" if value is None else f"{round(_float(value)):,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _with_interval(name: str, sign: str = "") -> Callable[[Row], str]:
    def text(row: Row) -> str:
        low, high = row.get(f"{name}_lo"), row.get(f"{name}_hi")
        mean = percent(row.get(name), sign)
        return mean if low is None or high is None else f"{mean} [{percent(low, sign)}, {percent(high, sign)}]"

    return text


def _text_of(name: str) -> Callable[[Row], str]:
    return lambda row: str(row.get(name) or "")


def _percent_of(name: str) -> Callable[[Row], str]:
    return lambda row: percent(row.get(name))


def _short_of(name: str) -> Callable[[Row], str]:
    return lambda row: short(row.get(name))


def _count_of(name: str) -> Callable[[Row], str]:
    return lambda row: count(row.get(name))


def _seeds(row: Row) -> str:
    if row["seeds"] is None:
        return ""
    marks = [f"{row[name]} {name}" for name in ("collapsed", "failed") if row[name]]
    return ", ".join([str(row["seeds"]), *marks])


def _trainable(row: Row) -> str:
    return "" if row["trainable_share"] is None else f"{short(100 * _float(row['trainable_share']))} %"


def _status(row: Row) -> str:
    status = str(row["status"])
    return "" if status in ("ranked", "reference") else status.removeprefix("ranked; ")


def _float(value: Value) -> float:
    if value is None or isinstance(value, str):
        raise TypeError(f"expected a number, got {value!r}")
    return float(value)


_HEADINGS = (
    Heading("accuracy_sound", "accuracy if sound, % [95 %]", _with_interval("accuracy_sound")),
    Heading("broken", "broken, % [95 %]", _with_interval("broken")),
    Heading("may_be_best", "may be the best", _text_of("may_be_best")),
    Heading("accuracy", "accuracy, % [95 %]", _with_interval("accuracy")),
    Heading("gain", "gain, points", _with_interval("gain", "+")),
    Heading("gain_over_control", "over control", _with_interval("gain_over_control", "+")),
    Heading("seeds", "seeds", _seeds),
    Heading("trainable_share", "trainable", _trainable),
    Heading("lr", "learning rate", _short_of("lr")),
    Heading("accuracy_validation", "validation, %", _percent_of("accuracy_validation")),
    Heading("update_sparsity_bf16", "unchanged in bf16, %", _percent_of("update_sparsity_bf16")),
    Heading("kl", "KL", _short_of("kl")),
    Heading("tokens", "tokens", _count_of("tokens")),
    Heading("seconds", "seconds", _count_of("seconds")),
    Heading("peak_memory_mb", "memory, MB", _count_of("peak_memory_mb")),
    Heading("status", "remark", _status),
)

"""The same question asked of organisms and of real models: gains side by side, and whether they agree in sign.

An organism is a small model, most of 0.34 M parameters, whose pre-training is known. What is learned on one is the sign
of an effect and its order, so this is where it is held against models that people use. Tasks differ with the kind of
model.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

Point = Mapping[str, Any]


ORGANISM = "organism-"
"""Begins the names of the models that ship with this package, and of those that studies and recipes make."""


def is_organism(base: str) -> bool:
    """Whether a base model is an organism, by its name, or that of its folder."""
    return base.rpartition("/")[2].startswith(ORGANISM)


def kind_of(base: object) -> str:
    """Return "real" or "organisms", the kind of a claim's base; a claim without one stands with the organisms."""
    return "real" if isinstance(base, str) and base and not is_organism(base) else "organisms"


def side_by_side(points: Iterable[Point]) -> list[dict[str, Any]]:
    """Return what was measured on organisms and on real models: a signal, a reward and a method that both have.

    Args:
        points: rows with base, task, signal, reward, method, row and the gain with its interval, as `contrasts` gives
            them; the first of a base, task and setting counts.

    Returns:
        Each is {signal, reward, method, organisms, real, agree, certain}: two lists of points, whether their mean gains
        have the same sign, and whether a gain of that sign is beyond noise on both kinds.
    """
    groups: dict[tuple[str, ...], dict[int, Point]] = {}
    for point in points:
        key = tuple(str(point[name]) for name in ("signal", "reward", "method"))
        groups.setdefault(key, {}).setdefault(int(point["row"]), point)
    found = []
    for (signal, reward, method), held in groups.items():
        organisms = [_shown(point) for point in held.values() if is_organism(str(point["base"]))]
        real = [_shown(point) for point in held.values() if not is_organism(str(point["base"]))]
        if organisms and real:
            question = {"signal": signal, "reward": reward, "method": method}
            found.append(question | {"organisms": organisms, "real": real} | _agreement(organisms, real))
    return found


def _shown(point: Point) -> dict[str, Any]:
    names = ("base", "task", "settings", "row", "gain", "gain_lo", "gain_hi")
    return {name: point[name] for name in names}


def _agreement(organisms: Sequence[Point], real: Sequence[Point]) -> dict[str, bool]:
    signs = [_sign(fmean(point["gain"] for point in held)) for held in (organisms, real)]
    certain = all(any(_certain(point, signs[0]) for point in held) for held in (organisms, real))
    return {"agree": signs[0] == signs[1], "certain": signs[0] == signs[1] and certain}


def _sign(gain: float) -> int:
    return int(gain > 0) - int(gain < 0)


def _certain(point: Point, sign: int) -> bool:
    """Whether the whole interval of a gain has this sign."""
    low, high = point["gain_lo"], point["gain_hi"]
    return low is not None and high is not None and (low > 0 if sign > 0 else high < 0 if sign < 0 else False)

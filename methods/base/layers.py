"""Which decoder layers a method is confined to, written as in an experiment file, and which layer a tensor belongs to.

layers = "middle"        layer n // 2 of n
layers = "4-7"           4, 5, 6 and 7
layers = [0, 5]          these two, counted from 0
"""

import re
from collections.abc import Iterable

from rlvr_bench.methods.errors import MethodError

Layers = str | tuple[int, ...]

RANGE = re.compile(r"(\d+)-(\d+)")


def checked_layers(layers: Layers) -> Layers:
    """Return `given` if it reads as layers; raises ValueError, one sentence, where it does not."""
    if layers == "middle":
        return layers
    numbers = _listed(layers)
    if numbers is None:
        raise ValueError("it is neither a list such as [0, 5], nor a range such as '4-7', nor 'middle'")
    if not numbers:
        raise ValueError("it names no layer; list at least one, a range from low to high")
    if len(set(numbers)) < len(numbers) or min(numbers) < 0:
        raise ValueError("it must name every layer once and count from 0")
    return layers


def chosen_layers(layers: Layers, count: int) -> list[int]:
    """Return the sorted numbers that `layers` stands for in a model of `count` layers; raises `MethodError`."""
    numbers = [count // 2] if layers == "middle" else sorted(_listed(layers) or ())
    if not numbers or numbers[-1] >= count:
        raise MethodError(
            f"layers = {_shown(layers)} goes beyond the model's {count} layers; name some of 0 to {count - 1}"
        )
    return numbers


def layer_of(name: str) -> int | None:
    """Return the number of the layer that the tensor `name` belongs to, the first number in its path; None without."""
    return next((int(part) for part in name.split(".") if part.isdigit()), None)


def layer_count(names: Iterable[str]) -> int:
    """Return how many layers the parameter `names` of a model speak of."""
    return len({layer_of(name) for name in names} - {None})


def _listed(layers: Layers) -> tuple[int, ...] | None:
    if isinstance(layers, tuple):
        return layers
    bounds = RANGE.fullmatch(layers)
    return tuple(range(int(bounds[1]), int(bounds[2]) + 1)) if bounds else None


def _shown(layers: Layers) -> str:
    return repr(layers if isinstance(layers, str) else list(layers))

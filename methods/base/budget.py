"""From `params` to a dial: the rank, density, width, ... whose trainable count on a model is nearest to what was asked.

Counts come from the base's parameter shapes where the method can tell, and otherwise from attaching it to a skeleton of
the model, its modules without its weights. Importing this module does not import torch.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from rlvr_bench.methods.base.method import Dial, Method, Shape
from rlvr_bench.methods.base.params import target_count
from rlvr_bench.methods.errors import MethodError
from rlvr_bench.plugins.settings import explain

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NEAR = 0.05
"""Largest |count - target| / target of a count that hits its target."""

FINE = 1e-7
"""Relative step at which the search on a dial that is a share ends."""

PATIENCE = 4
"""Doublings of a whole dial in a row that may be refused, or change no count, before the search goes no further up."""

Count = Callable[[float], int | None]
"""Trainable count at a value of the dial; None where the method refuses the value."""


def resolve(method: Method, model: "PreTrainedModel") -> Method:
    """Return `method` as it is attached to `model`: groups of targets as names, the dial set that `params` asks for.

    `params` stays in the config beside the value found. Where no value comes near, that is the nearest there is: what a
    run trained is in its attestation. Raises `MethodError` when the model is smaller than the target, or when the
    method refuses every value.
    """
    from rlvr_bench.methods.base.targets import resolve_targets

    method = resolve_targets(method, model)
    dial = method.dial
    if method.resolved or method.params is None or dial is None:
        return method
    total = sum(parameter.numel() for parameter in model.parameters())
    target = target_count(method.params, total)
    if target > total:
        raise MethodError(
            f"params = {method.params!r}, but the model has no more than {total} parameters; ask for less"
        )
    counter = _Counter(method, dial, model)
    value = nearest(counter, dial._replace(high=min(dial.high, float(total))), target)
    if value is None:
        request = f"params = {method.params!r} asks {method.type!r} for {target} of {total} parameters"
        raise MethodError(f"{request}, but no value of {dial.name} fits: {counter.refusal}")
    at_value = turned(method, dial, value)
    return at_value.model_copy(update={"params": method.params, dial.name: getattr(at_value, dial.name)})


def turned(method: Method, dial: Dial, value: float) -> Method:
    """Return `method` with its dial at `value` and no `params`. Raises `MethodError` when it refuses the value."""
    settings: dict[str, Any] = method.model_dump(exclude_unset=True, exclude={"params"})
    setting = {"type": method.type, dial.name: int(value) if dial.whole else value}
    try:
        return type(method).model_validate(settings | setting)
    except ValidationError as invalid:
        raise MethodError(explain(invalid, type(method), f"method {method.type!r}")) from invalid


def trainable_count(method: Method, model: "PreTrainedModel") -> int:
    """Return how many values `method` would train on `model`, without touching it. Raises `MethodError`."""
    from rlvr_bench.methods.base import skeleton

    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    count = count_from_shapes(method, shapes)
    return skeleton.trainable_count(method, model) if count is None else count


def count_from_shapes(method: Method, shapes: Mapping[str, Shape]) -> int | None:
    """Return how many values `method` trains on a base with these parameter `shapes`; None when they do not tell."""
    expected = method.expected_trainable(shapes)
    if expected is None:
        return None
    sizes = [None if shape is None else math.prod(shape) for shape in expected.values()]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


class _Counter:
    """Trainable counts of one method on one model, by the value of its dial, each found once."""

    def __init__(self, method: Method, dial: Dial, model: "PreTrainedModel") -> None:
        self.method, self.dial, self.model = method, dial, model
        self.known: dict[float, int | None] = {}
        self.refusal = ""

    def __call__(self, value: float) -> int | None:
        if value not in self.known:
            try:
                count = trainable_count(turned(self.method, self.dial, value), self.model)
                if count == 0:  # an OFT block of side 1 has no rotation
                    raise MethodError(f"{self.dial.name} = {value:g} trains nothing")
                self.known[value] = count
            except MethodError as refused:
                self.known[value] = None
                self.refusal = self.refusal or str(refused)
        return self.known[value]


def nearest(count: Count, dial: Dial, target: int) -> float | None:
    """Return the value of `dial` whose count is nearest to `target`, the smaller count where two are equally near.

    `count` rises, or falls, over all values that it does not refuse. None when every value tried is refused.
    """
    counts: dict[float, int] = {}
    bracket = _bracket(count, dial, target, counts)
    while bracket is not None:
        low, high = bracket
        inside = next((value for value in _between(low, high, dial.whole) if count(value) is not None), None)
        got = None if inside is None else count(inside)
        if inside is None or got is None:
            break
        counts[inside] = got
        passed = (got < target) != (counts[low] < target)
        bracket = (low, inside) if passed else (inside, high)
        if got == target:
            break
    return min(counts, key=lambda value: (abs(counts[value] - target), counts[value]), default=None)


def _bracket(count: Count, dial: Dial, target: int, counts: dict[float, int]) -> tuple[float, float] | None:
    """Double the value until counts lie on both sides of `target`, and return the two values between which it is.

    The upper one may be refused: then the largest value that is not lies below it. None when nothing in between can be
    nearer than a value of `counts`, which gains every count on the way.
    """
    last, idle, refused = None, 0, False
    for value in _doubling(dial):
        got = count(value)
        refused = got is None
        if last is None:
            last = None if got is None else value
        elif got is None or got == counts[last]:
            idle += dial.whole
        elif (got < target) != (counts[last] < target):
            counts[value] = got
            return last, value
        elif abs(got - target) > abs(counts[last] - target):
            return None
        else:
            last, idle = value, 0
        if got is not None:
            counts[value] = got
        if idle == PATIENCE:
            break
    return (last, value) if last is not None and refused else None


def _doubling(dial: Dial) -> Iterator[float]:
    value = dial.low
    while value < dial.high:
        yield value
        value = 2 * value or 1.0
    yield dial.high


def _between(low: float, high: float, whole: bool) -> Iterator[float]:
    """Yield values strictly between two: the middle one, and where they are whole the others, outwards from it."""
    if not whole:
        if high > low * (1 + FINE):
            yield math.sqrt(low * high)
        return
    middle = (low + high) // 2
    for distance in range(int(high - low)):
        for value in {middle + distance, middle - distance}:
            if low < value < high:
                yield value

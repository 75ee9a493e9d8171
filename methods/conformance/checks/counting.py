"""Checks of how much is trained: the count as claimed, and the budget that a dial is turned for."""

from collections.abc import Iterator, Mapping
from itertools import chain

from rlvr_bench.methods.base import budget
from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.methods.base.method import Method, Shape
from rlvr_bench.methods.conformance.checks.check import Skipped
from rlvr_bench.methods.conformance.trial import Trial, optimizer_of
from rlvr_bench.methods.errors import MethodError


def parameter_count(trial: Trial) -> Iterator[str]:
    """Claimed, expected from shapes, held by the optimizer: all the same number."""
    handle = trial.handle
    real = sum(parameter.numel() for parameter in handle.model.parameters() if parameter.requires_grad)
    if handle.trainable_parameters != real:
        yield f"it claims {handle.trainable_parameters} trainable values, the model has {real}"
    shapes = {name: tuple(tensor.shape) for name, tensor in trial.original.items()}
    told = budget.count_from_shapes(trial.method, shapes)
    if told is not None and told != real:
        first = _first_unlike(trial.method.expected_trainable(shapes) or {}, handle)
        yield f"expected_trainable tells {told} values from the shapes, the model trains {real}: {first}"
    optimised = sum(tensor.numel() for group in optimizer_of(handle, 0.0).param_groups for tensor in group["params"])
    if optimised != real:
        yield f"the optimizer holds {optimised} values, the model trains {real}"
    total = sum(tensor.numel() for tensor in trial.original.values())
    if handle.total_parameters != total:
        yield f"it counts {handle.total_parameters} parameters of the base, which has {total}"


def _first_unlike(expected: Mapping[str, Shape | None], handle: Handle) -> str:
    """Say which tensor is the first that is not trained as `expected`."""
    trained = {name: tuple(parameter.shape) for name, parameter in handle.trainable()}
    for name in chain(expected, trained):
        if expected.get(name) != trained.get(name):
            return f"{name} is told as {expected.get(name, 'not trained')} and is {trained.get(name, 'not trained')}"
    return "each tensor as told"


def meets_budget(trial: Trial) -> Iterator[str]:
    """`params` gets within 5 % of a count that the dial can reach, or as near as any setting of the dial."""
    dial = trial.method.dial
    if dial is None:
        raise Skipped("it has no dial")
    free = {key: value for key, value in trial.method.model_dump(exclude_unset=True).items() if key != dial.name}
    usual = trial.handle.trainable_parameters
    for target in (usual * 3 // 5, usual * 9 // 5):
        try:
            request = type(trial.method).model_validate(free | {"type": trial.method.type, "params": target})
            method = budget.resolve(request, trial.case.base())
        except MethodError as refused:
            problem = str(refused)
            continue
        got = trial.case.attach(method=method).trainable_parameters
        told = budget.trainable_count(method, trial.case.base())
        if got != told:
            yield f"{dial.name} = {getattr(method, dial.name)} was chosen for {told} trainable values and gives {got}"
        if abs(got - target) > budget.NEAR * target and (better := _nearer(trial, method, got, target)):
            yield f"params = {target} got {got} at {dial.name} = {getattr(method, dial.name)}, {better}"
        return
    yield problem


def _nearer(trial: Trial, method: Method, got: int, target: int) -> str | None:
    """Say which neighbouring setting of the dial is nearer to the target, if one is."""
    dial = method.dial
    assert dial is not None
    value = getattr(method, dial.name)
    for other in (value - 1, value + 1) if dial.whole else (value / 1.02, value * 1.02):
        if not dial.low <= other <= dial.high:
            continue
        try:
            moved = trial.case.attach(method=budget.turned(method, dial, other)).trainable_parameters
        except MethodError:
            continue
        if abs(moved - target) < abs(got - target):
            return f"where {dial.name} = {other} gets {moved}"
    return None

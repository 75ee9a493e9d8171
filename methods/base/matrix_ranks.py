"""Whether the matrices of a model have as many singular directions as a method asks for. Imports no torch."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rlvr_bench.methods.base.method import Shape
from rlvr_bench.methods.errors import MethodError

if TYPE_CHECKING:
    from torch import nn


def weights_of(model: "nn.Module", paths: Sequence[str]) -> dict[str, Shape]:
    """Return path -> (out, in) of the linear modules of `model` at `paths`."""
    return {path: tuple(model.get_submodule(path).get_parameter("weight").shape) for path in paths}


def refuse_above_sides(weights: Mapping[str, Shape], what: str, count: int) -> None:
    """Raise `MethodError` when the smallest side among `weights` (path -> (out, in)) is below `count`.

    `what` names the setting, e.g. "rank".
    """
    path, (out_features, in_features) = min(
        weights.items(), key=lambda item: min(item[1]), default=("", (count, count))
    )
    if count > min(out_features, in_features):
        raise MethodError(
            f"{what} = {count} is more than the smaller side of {path} ({out_features} x {in_features}); "
            f"set it to at most {min(out_features, in_features)}, or leave the module out of targets"
        )

"""Which matrices of a large model a cell measures: a sample by kind and depth whose cost follows the model's size.

A cell takes time in proportion to the model's parameters and to the completions that it trains on, so the geometry
may, too: about a tenth of it. A model whose matrices all fit is measured in full. The choice follows from shapes and
settings alone: the same for all cells of a comparison, on every machine. Sparsities and norms are taken over all
entries all the same. Imports no torch.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from rlvr_bench.geometry.cost import figure_flops, full_flops, matrices_of, null_updates, seconds
from rlvr_bench.geometry.settings import GeometrySettings, Shape
from rlvr_bench.geometry.tensor_names import kind_of, layer_of

SMALL_FLOPS = 6e10
"""Three seconds: a model that takes no more is measured in full, whatever its size."""

FLOPS_PER_PARAMETER = 0.5
"""For each completion: 3.2 s of SmolLM2-135M in 30 updates of 32, less than a tenth of them where answers are short."""

NULL_SHARE = 0.4
"""Of the operations, what null updates may take."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The measured matrices: each with the number of matrices that it stands for, and those with nulls likewise."""

    weights: Mapping[str, float]
    null_weights: Mapping[str, float]
    matrices: int
    flops: float

    @property
    def seconds(self) -> float:
        """What it takes on one thread, about."""
        return seconds(self.flops)

    def as_json(self) -> dict[str, Any]:
        """Return what a record says of it: the layers that were measured by kind of matrix, of so many matrices."""
        return {"measured": _by_kind(self.weights), "nulls": _by_kind(self.null_weights), "of": self.matrices}


def draw_sample(shapes: Mapping[str, Shape], settings: GeometrySettings, completions: int) -> Sample | None:
    """Return the sample of a model, None where all of its matrices are measured.

    Args:
        shapes: of every parameter by name, tied ones once.
        settings: of the figures; where a sample is drawn, `null_every` has no say.
        completions: that a cell trains on.
    """
    matrices = matrices_of(shapes)
    budget = max(SMALL_FLOPS, FLOPS_PER_PARAMETER * completions * sum(map(prod, shapes.values())))
    if full_flops(matrices.values(), settings) <= budget:
        return None
    costs = {name: figure_flops(shape, settings) for name, shape in matrices.items()}
    chosen = _affordable(list(matrices), costs, (1 - NULL_SHARE) * budget)
    null_costs = {name: costs[name] * null_updates(settings) for name in chosen}
    with_nulls = _affordable(chosen, null_costs, NULL_SHARE * budget) if settings.draws else []
    flops = sum(costs[name] for name in chosen) + sum(null_costs[name] for name in with_nulls)
    everything = list(matrices)
    return Sample(_weights(chosen, everything), _weights(with_nulls, everything), len(everything), flops)


def _affordable(names: list[str], costs: Mapping[str, float], budget: float) -> list[str]:
    """Return matrices in their order, taken kind by kind in turn, cheap kinds first, while they fit into the budget."""
    strata = _strata(names)
    by_cost = sorted(strata, key=lambda kind: (costs[strata[kind][0]], kind))
    left, taken = budget, set[str]()
    turns = {kind: _spread(strata[kind]) for kind in by_cost}
    while turns:
        for kind in list(turns):
            name = next(turns[kind], None)
            if name is None or costs[name] > left:
                del turns[kind]
            else:
                left -= costs[name]
                taken.add(name)
    return [name for name in names if name in taken]


def _strata(names: list[str]) -> dict[str, list[str]]:
    strata: dict[str, list[str]] = {}
    for name in names:
        strata.setdefault(kind_of(name), []).append(name)
    return {kind: sorted(group, key=lambda name: layer_of(name) or 0) for kind, group in strata.items()}


def _spread(group: list[str]) -> Iterator[str]:
    """Yield all of a group, spread over its depth however far one goes: the middle, then what is farthest from all."""
    left, taken = list(range(len(group))), list[int]()
    while left:
        place = max(
            left, key=lambda each: min((abs(each - other) for other in taken), default=-abs(each - len(group) // 2))
        )
        left.remove(place)
        taken.append(place)
        yield group[place]


def _weights(chosen: list[str], everything: list[str]) -> dict[str, float]:
    of, here = _strata(everything), _strata(chosen)
    return {name: len(of[kind_of(name)]) / len(here[kind_of(name)]) for name in chosen}


def _by_kind(names: Mapping[str, float]) -> dict[str, list[int | None]]:
    return {kind: [layer_of(name) for name in group] for kind, group in _strata(list(names)).items()}

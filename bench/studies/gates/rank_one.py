"""The measurement `rank_one`: how much of a run is in the one leading direction of each matrix's update.

After AlphaRL, arXiv 2510.00553.
"""

import copy
from collections.abc import Iterable

import torch
from torch import Tensor
from transformers import PreTrainedModel

from rlvr_bench.evaluate.evaluator import evaluate
from rlvr_bench.measure.context import CellContext, TrainedModel
from rlvr_bench.measure.measurement import Measurement
from rlvr_bench.methods.base.plain import fill
from rlvr_bench.record.schema import Score
from rlvr_bench.studies.gates.measurements import RankOne


class RankOneOfCell(Measurement[RankOne]):
    """The update's leading directions alone, scored greedily on the trained task's test split; None without one."""

    def after(self, context: CellContext, trained: TrainedModel) -> Score | None:
        """See `Measurement`."""
        if not context.task.problems("test"):
            return None
        greedy = context.cell.evaluate.model_copy(update={"samples": 0})
        model = rank_one_model(context.reference, context.pairs(trained.handle))
        return evaluate(model, context.loaded.tokenizer, context.task, "test", greedy, trained.backend)[0]


def rank_one_model(base: PreTrainedModel, pairs: Iterable[tuple[str, Tensor, Tensor]]) -> PreTrainedModel:
    """Return a copy of `base` with the update of each matrix cut to rank one; vectors keep theirs whole.

    Args:
        base: the model before training.
        pairs: (name, tensor before, tensor after) of every parameter, tied ones once.
    """
    model = copy.deepcopy(base)
    odd = fill(model, {name: _cut(before, after) for name, before, after in pairs})
    if odd:
        raise ValueError(f"the base has no place for {odd[0]}; this is a defect")
    return model.eval()


def _cut(before: Tensor, after: Tensor) -> Tensor:
    if before.ndim != 2:
        return after.detach().clone()
    update = after.detach().double() - before.detach().double()
    left, values, right = torch.linalg.svd(update, full_matrices=False)
    leading: Tensor = values[0] * torch.outer(left[:, 0], right[0])
    cut: Tensor = (before.detach().double() + leading).to(before.dtype)
    return cut

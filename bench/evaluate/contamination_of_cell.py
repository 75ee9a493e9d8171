"""The measurement `contamination`: the probe of the test problems on the untrained base and on the trained model."""

from rlvr_bench.evaluate.contamination import Group, base_contamination, contamination, groups, planted_in
from rlvr_bench.evaluate.measurements import Contamination
from rlvr_bench.measure.context import CellContext, TrainedModel
from rlvr_bench.measure.measurement import Measurement
from rlvr_bench.tasks.problem import Problem

ByGroup = dict[str, Group]


class ContaminationOfCell(Measurement[Contamination]):
    """What the probe finds by model, then by group of problems; of the base from the cache where it has it."""

    def before(self, context: CellContext) -> None:
        """See `Measurement`."""
        self._base: ByGroup = {
            name: base_contamination(context.loaded, context.task, problems, context.cell.evaluate, context.backend)
            for name, problems in _groups(context).items()
        }

    def after(self, context: CellContext, trained: TrainedModel) -> dict[str, ByGroup]:
        """See `Measurement`."""
        task, tokenizer, evaluate = context.task, context.loaded.tokenizer, context.cell.evaluate
        with trained.handle.rollout_weights() as model:
            tuned: ByGroup = {
                name: contamination(model, tokenizer, task, problems, evaluate, trained.backend)
                for name, problems in _groups(context).items()
            }
        return {"base": self._base, "tuned": tuned}


def _groups(context: CellContext) -> dict[str, list[Problem]]:
    return groups(context.task.problems("test"), planted_in(context.cell.base))

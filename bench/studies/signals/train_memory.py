"""The measurement `train_memory`: does the trained model complete the questions that it was trained on, cut short?

The contamination probe of test problems (`evaluate.contamination`), on problems of the train split instead. No signal
puts a loss on a question: what is learned of one is learned through its answer, whose perplexity is measured as well.
"""

from rlvr_bench.evaluate.contamination import Group, contamination
from rlvr_bench.measure.context import CellContext, TrainedModel
from rlvr_bench.measure.measurement import Measurement
from rlvr_bench.studies.signals.measurements import TrainMemory


class TrainMemoryOfCell(Measurement[TrainMemory]):
    """What the probe finds on the first train problems, by model."""

    def after(self, context: CellContext, trained: TrainedModel) -> dict[str, Group]:
        """See `Measurement`."""
        problems = context.task.problems("train")[: self.settings.problems]
        rest = context.loaded.tokenizer, context.task, problems, context.cell.evaluate
        base = contamination(context.reference, *rest, context.backend)
        with trained.handle.rollout_weights() as model:
            return {"base": base, "tuned": contamination(model, *rest, trained.backend)}

"""The measurement `train_memory`: does the trained model complete the questions that it was trained on, cut short?

The contamination probe of test problems (`evaluate.contamination`), on problems of the train split instead. No signal
puts a loss on a question: what is learned of one is learned through its solution, whose perplexity is measured as well.
"""

from collections.abc import Sequence

from transformers import PreTrainedModel

from rlvr_bench.evaluate.contamination import Group, contamination, perplexity
from rlvr_bench.measure.context import CellContext, TrainedModel
from rlvr_bench.measure.measurement import Measurement
from rlvr_bench.studies.signals.measurements import TrainMemory
from rlvr_bench.tasks import solutions
from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.problem import Problem


class TrainMemoryOfCell(Measurement[TrainMemory]):
    """What the probe finds on the first train problems, and the perplexity of their gold solutions, by model."""

    def after(self, context: CellContext, trained: TrainedModel) -> dict[str, Group]:
        """See `Measurement`."""
        problems = context.task.problems("train")[: self.settings.problems]
        rest = context.loaded.tokenizer, context.task, problems, context.cell.evaluate
        base = contamination(context.reference, *rest, context.backend)
        base_solutions = solution_perplexity(context, context.reference, problems)
        with trained.handle.rollout_weights() as model:
            tuned = contamination(model, *rest, trained.backend)
            tuned_solutions = solution_perplexity(context, model, problems)
        return {
            "base": {**base, "solution_perplexity": base_solutions},
            "tuned": {**tuned, "solution_perplexity": tuned_solutions},
        }


def solution_perplexity(context: CellContext, model: PreTrainedModel, problems: Sequence[Problem]) -> float | None:
    """Return that of gold solutions, steps and answer, which `sft` trains on; None where the task has no steps."""
    try:
        texts = [solutions.gold(context.task, problem) for problem in problems]
    except TaskError:
        return None
    ids = [context.loaded.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    return perplexity(model, context.encoded(problems), ids, context.cell.evaluate.batch_size)

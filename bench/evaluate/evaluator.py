"""One model on one split of one task: greedy accuracy and sampled metrics, as a `Score` and as rows."""

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rlvr_bench.evaluate.grading import SampleRow, score
from rlvr_bench.evaluate.greedy import grade_greedy
from rlvr_bench.evaluate.sampling import grade_samples
from rlvr_bench.experiment.settings import EvaluateSettings
from rlvr_bench.generate.backend import Backend
from rlvr_bench.record.schema import Score
from rlvr_bench.tasks.problem import Split
from rlvr_bench.tasks.task import Task


def evaluate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    task: Task,
    split: Split,
    settings: EvaluateSettings,
    backend: Backend,
) -> tuple[Score, list[SampleRow]]:
    """Score `model`; the rows are all completions that the score rests on, greedy ones first.

    Raises:
        TaskError: the split has no problems, or the prompt style is unknown.
        GenerationError: the backend cannot run the model.
    """
    greedy = grade_greedy(model, tokenizer, task, split, settings, backend)
    samples = settings.samples if split in settings.sampled_splits else 0
    sampled = grade_samples(model, tokenizer, task, split, settings, backend) if samples else []
    rows = [graded.row(task.name, split, settings.seed) for graded in [*greedy, *sampled]]
    return score(greedy, sampled, samples), rows

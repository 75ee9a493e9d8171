"""One model on one split of one task: greedy accuracy and sampled metrics, as a `Score` and as rows."""

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from bench.evaluate.grading import SampleRow, score
from bench.evaluate.greedy import grade_greedy
from bench.evaluate.sampling import grade_samples
from bench.experiment.settings import EvaluateSettings
from bench.generate.backend import Backend
from bench.record.schema import Score
from tasks.problem import Split
from tasks.task import Task


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

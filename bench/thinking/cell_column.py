"""The measurement `thinking`: what one-token verification adds to a trained model, two columns of a method's row."""

import copy
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rlvr_bench.measure.context import CellContext, TrainedModel
from rlvr_bench.measure.measurement import Measurement
from rlvr_bench.tasks.task import Task
from rlvr_bench.thinking import frontier
from rlvr_bench.thinking.live import probe_reader, think
from rlvr_bench.thinking.measurements import Thinking
from rlvr_bench.thinking.policies import Full, Policy
from rlvr_bench.thinking.probe import Probe
from rlvr_bench.thinking.report import quality
from rlvr_bench.thinking.settings import ThinkSettings
from rlvr_bench.thinking.subject import Subject
from rlvr_bench.thinking.zoo import scored


class ThinkingOfCell(Measurement[Thinking]):
    """What a probe of the trained model itself saves and wins."""

    def before(self, context: CellContext) -> None:
        """Refuse, before anything is trained, what could not be measured afterwards. Raises ThinkingError."""
        Subject(context.reference, context.loaded.tokenizer, context.task, self.settings, "base")

    def after(self, context: CellContext, trained: TrainedModel) -> dict[str, Any]:
        """See `Measurement`."""
        with trained.handle.rollout_weights() as model:
            return full_and_tenth(model, context.loaded.tokenizer, context.task, self.settings)


def full_and_tenth(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, task: Task, settings: ThinkSettings
) -> dict[str, Any]:
    """Accuracy of the majority, of the vote weighted by a probe of this very model, and for a tenth of the tokens.

    The model is copied: a probe freezes what it reads.
    """
    subject = Subject(copy.deepcopy(model), tokenizer, task, settings, "cell")
    probe = subject.otv().scorer
    assert isinstance(probe, Probe)
    size, test = settings.traces.samples, subject.traces("test")
    full_tokens, scores = sum(len(trace.tokens) for trace in test), scored(subject, probe)
    whole = frontier.whole(test, scores, size, size, probe.probe_tokens)
    points = {
        aggregator: frontier.point(whole, Full(), "otv", aggregator, full_tokens, live=False)
        for aggregator in ("majority", "weighted")
    }
    tenth_size, policy = _tenth(subject, probe)
    run = think(subject.asker, subject.problems("test"), tenth_size, policy, probe_reader(subject.asker, probe))
    tenth = frontier.point(run, policy, "otv", "weighted", full_tokens, live=True)
    measured = quality(scores, test, probability=True)
    return {
        "n": size,
        "problems": len(subject.problems("test")),
        "majority": points["majority"]["accuracy"],
        "full_vote": points["weighted"]["accuracy"],
        "tenth_tokens": tenth["accuracy"],
        "tenth_policy": tenth["policy"],
        "tenth_n": tenth_size,
        "tenth_share": tenth["tokens_share"],
        "auroc": measured["auroc"],
        "within_problem_auroc": measured["within_problem_auroc"],
    }


def _tenth(subject: Subject, probe: Probe) -> tuple[int, Policy]:
    scores = scored(subject, probe, "validation", stride=1)
    return frontier.within_share(
        subject.traces("validation"), scores, subject.settings.traces.samples, probe.probe_tokens
    )

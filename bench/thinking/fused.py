"""The measurement `fused_probe`: a probe that learns beside the policy, so that training ends with a verified model.

Every batch of rollouts is first read, then learned from: one step of the probe on the completions and verdicts that
GRPO learns from. Both probes read a copy of the policy that follows it, so that no gradient and no weight of theirs can
reach it: the policy is trained bit for bit as it would be without them.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from rlvr_bench.measure.context import CellContext, TrainedModel
from rlvr_bench.measure.measurement import Measurement
from rlvr_bench.measure.rollouts import Rollouts
from rlvr_bench.thinking import frontier
from rlvr_bench.thinking.following import FollowingProbes, traces_of
from rlvr_bench.thinking.measurements import FusedProbe
from rlvr_bench.thinking.report import quality
from rlvr_bench.thinking.store import probe_folder, save
from rlvr_bench.thinking.subject import Subject
from rlvr_bench.thinking.trace import mean
from rlvr_bench.thinking.training import Scores, TraceScorer
from rlvr_bench.thinking.zoo import scored

FIGURES = ("auroc", "within_problem_auroc", "auprc", "brier", "ece")
"""Of a probe on fresh problems."""


class FusedProbeOfCell(Measurement[FusedProbe]):
    """Reads rollouts and learns from them, and is scored on fresh problems at the end."""

    def __init__(self, settings: FusedProbe) -> None:
        super().__init__(settings)
        self._start: Mapping[str, Tensor] | None = None
        self._of_base: dict[str, Any] = {}
        self._probes: FollowingProbes | None = None
        self._curve: list[dict[str, Any]] = []
        self._learned = 0

    def before(self, context: CellContext) -> None:
        """Train the probe of the base. Raises ThinkingError for a base that cannot be probed or is never right."""
        subject = Subject(context.reference, context.loaded.tokenizer, context.task, self.settings, "base")
        if self.settings.start == "base":
            probe = subject.otv().scorer
            self._start, self._of_base = probe.trained(), {"base": _on_fresh_problems(subject, probe)}

    def rollouts(self, batch: Rollouts) -> None:
        """See `Measurement`."""
        with batch.policy() as model:
            if self._probes is None:
                self._probes = FollowingProbes(model, self.settings.scorer, self.settings.learning_rate, self._start)
            self._probes.follow(model)
        traces = traces_of(batch)
        if batch.step % self.settings.read_every == 0:
            self._curve.append({"step": batch.step} | self._probes.reading(traces))
        self._probes.learn(traces)
        self._learned += len(traces)

    def after(self, context: CellContext, trained: TrainedModel) -> dict[str, Any] | None:
        """See `Measurement`; None where training had no rollouts."""
        if self._probes is None:
            return None
        with trained.handle.rollout_weights() as model:
            self._probes.follow(model)
        subject = Subject(self._probes.policy, context.loaded.tokenizer, context.task, self.settings, "cell")
        if context.cell.keep_weights:
            save(self._probes.fused, None, self.settings.scorer, probe_folder(context.cell.id))
        figures = {name: _on_fresh_problems(subject, probe) for name, probe in self._probes.by_name.items()}
        figures |= self._of_base
        return {
            "learned": self._learned,
            "curve": self._curve,
            **figures,
            "gain": _differences(figures, "fused", "aged"),
            "ageing": _differences(figures, "aged", "base"),
            **_votes(subject, self._probes.fused),
        }


def _ends(subject: Subject, scorer: TraceScorer) -> Scores:
    """Scores of the test traces at their ends alone."""
    return scored(subject, scorer, stride=subject.settings.traces.max_new_tokens)


def _on_fresh_problems(subject: Subject, scorer: TraceScorer) -> dict[str, float | None]:
    """Ranking and calibration on traces of test problems, which nothing was trained on."""
    figures = quality(_ends(subject, scorer), subject.traces("test"), probability=True)
    return {name: figures[name] for name in FIGURES}


def _differences(figures: Mapping[str, Mapping[str, float | None]], one: str, other: str) -> dict[str, float] | None:
    """One probe's figures minus another's, those that both have; None where a probe was not measured."""
    if not {one, other} <= figures.keys():
        return None
    pairs = {name: (figures[one][name], figures[other][name]) for name in FIGURES}
    return {name: a - b for name, (a, b) in pairs.items() if a is not None and b is not None}


def _votes(subject: Subject, scorer: TraceScorer) -> dict[str, Any]:
    """Accuracy of the final policy's traces of test problems: one by one, by majority and weighted by the probe."""
    test, size = subject.traces("test"), subject.settings.traces.samples
    whole = frontier.whole(test, _ends(subject, scorer), size, size)
    accuracies = {
        aggregator: mean(float(answer.correct) for answer in frontier.answers(whole, aggregator))
        for aggregator in ("majority", "weighted")
    }
    share = mean(float(trace.correct) for trace in test)
    return {"n": size, "problems": len(subject.problems("test")), "share_correct": share, **accuracies}

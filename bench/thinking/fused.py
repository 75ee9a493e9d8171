"""The measurement `fused_probe`: a probe that learns beside the policy, so that training ends with a verified model.

Every batch of rollouts is first read, then learned from: one step of the probe on the completions and verdicts that
GRPO learns from. Both probes read a copy of the policy that follows it, so that no gradient and no weight of theirs can
reach it: the policy is trained bit for bit as it would be without them.
"""

import copy
import random
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from rlvr_bench.measure.context import CellContext, TrainedModel
from rlvr_bench.measure.measurement import Measurement
from rlvr_bench.measure.rollouts import Rollouts
from rlvr_bench.thinking import frontier, measures
from rlvr_bench.thinking.batch import by_length
from rlvr_bench.thinking.hygiene import weighted
from rlvr_bench.thinking.measurements import FusedProbe
from rlvr_bench.thinking.probe import Probe
from rlvr_bench.thinking.report import quality
from rlvr_bench.thinking.store import probe_folder, save
from rlvr_bench.thinking.subject import Subject
from rlvr_bench.thinking.trace import Trace, mean
from rlvr_bench.thinking.training import Scores, TraceScorer, score, step
from rlvr_bench.thinking.zoo import scored

FIGURES = ("auroc", "within_problem_auroc", "auprc", "brier", "ece")
"""Of a probe on fresh problems."""


class FusedProbeOfCell(Measurement[FusedProbe]):
    """Reads rollouts and learns from them, and is scored on fresh problems at the end."""

    def __init__(self, settings: FusedProbe) -> None:
        super().__init__(settings)
        self._start: Mapping[str, Tensor] | None = None
        self._of_base: dict[str, Any] = {}
        self._probes: _FollowingProbes | None = None
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
                self._probes = _FollowingProbes(model, self.settings, self._start)
            self._probes.follow(model)
        traces = _traces(batch)
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


class _FollowingProbes:
    """The probes, by name, on one copy of the policy: "fused", and "aged" where it began as a probe of the base."""

    def __init__(self, model: PreTrainedModel, settings: FusedProbe, start: Mapping[str, Tensor] | None) -> None:
        self.policy, self._settings = copy.deepcopy(model), settings.scorer
        self.fused = self._probe(start)
        self.by_name = {"fused": self.fused} | ({} if start is None else {"aged": self._probe(start)})
        learnt = [tensor for tensor in self.fused.trained().values() if tensor.requires_grad]
        self._optimizer = torch.optim.AdamW(learnt, lr=settings.learning_rate, weight_decay=0.0)
        self._source = random.Random(f"fused {settings.scorer.seed}")

    def _probe(self, start: Mapping[str, Tensor] | None) -> Probe:
        probe = Probe.of(self.policy, self._settings)
        with torch.no_grad():
            for name, tensor in (start or {}).items():
                probe.trained()[name].copy_(tensor)
        return probe

    @torch.no_grad()
    def follow(self, model: PreTrainedModel) -> None:
        """Take over the policy's present weights. The probes' layers are over the same tensors."""
        for own, new in zip(self.policy.parameters(), model.parameters(), strict=True):
            own.copy_(new)

    def reading(self, traces: Sequence[Trace]) -> dict[str, Any]:
        """How well each probe tells these traces apart at their ends, and the share of right ones."""
        correct, problems = [trace.correct for trace in traces], [trace.problem for trace in traces]
        read: dict[str, Any] = {"traces": len(traces), "share_correct": sum(correct) / len(correct)}
        stride = max(len(trace.tokens) for trace in traces)
        for name, probe in self.by_name.items():
            scores = score(probe, traces, stride, self._settings.batch_size, self.policy.device)
            ends = [list(own.values())[-1] for own in scores]
            pairs = measures.pairs_by_problem(ends, correct, problems)
            read[name] = {
                "auroc": measures.auroc(ends, correct),
                "pairs_won": sum(won for won, _ in pairs),
                "pairs": sum(count for _, count in pairs),
                "brier": measures.brier(ends, correct),
            }
        return read

    def learn(self, traces: Sequence[Trace]) -> None:
        """Train the fused probe on a batch of rollouts, not balanced: it learns how often the policy is right now."""
        weights, device = weighted(traces, balance=False), self.policy.device
        members = list(weights)
        for numbers in by_length(members, self._settings.batch_size):
            part = {members[number]: weights[members[number]] for number in numbers}
            with torch.enable_grad():
                step(self.fused, part, self._settings, self._optimizer, self._source, device)


def _traces(batch: Rollouts) -> list[Trace]:
    rows = zip(
        batch.problems, batch.prompt_ids, batch.token_ids, batch.texts, batch.verdicts, batch.truncated, strict=True
    )
    return [
        Trace.graded(problem.id, number, prompt, tokens, text, verdict, truncated)
        for number, (problem, prompt, tokens, text, verdict, truncated) in enumerate(rows)
    ]


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

"""Probes that read the policy as it is now: on a copy that follows it, so that nothing of theirs reaches the policy."""

import copy
import random
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from rlvr_bench.measure.rollouts import Rollouts
from rlvr_bench.thinking import measures
from rlvr_bench.thinking.batch import by_length
from rlvr_bench.thinking.hygiene import weighted
from rlvr_bench.thinking.probe import Probe
from rlvr_bench.thinking.settings import ScorerSettings
from rlvr_bench.thinking.trace import Trace
from rlvr_bench.thinking.training import score, step


class FollowingProbes:
    """The probes, by name, on one copy of the policy: "fused", and "aged" where it began as a probe of the base."""

    def __init__(
        self,
        model: PreTrainedModel,
        settings: ScorerSettings,
        learning_rate: float,
        start: Mapping[str, Tensor] | None,
    ) -> None:
        self.policy, self._settings = copy.deepcopy(model), settings
        self.fused = self._probe(start)
        self.by_name = {"fused": self.fused} | ({} if start is None else {"aged": self._probe(start)})
        learnt = [tensor for tensor in self.fused.trained().values() if tensor.requires_grad]
        self._optimizer = torch.optim.AdamW(learnt, lr=learning_rate, weight_decay=0.0)
        self._source = random.Random(f"fused {settings.seed}")

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

    def ends(self, name: str, traces: Sequence[Trace]) -> list[float]:
        """How likely a probe takes each trace to be right, at its end."""
        stride = max(len(trace.tokens) for trace in traces)
        scores = score(self.by_name[name], traces, stride, self._settings.batch_size, self.policy.device)
        return [list(own.values())[-1] for own in scores]

    def reading(self, traces: Sequence[Trace]) -> dict[str, Any]:
        """How well each probe tells these traces apart at their ends, and the share of right ones."""
        correct, problems = [trace.correct for trace in traces], [trace.problem for trace in traces]
        read: dict[str, Any] = {"traces": len(traces), "share_correct": sum(correct) / len(correct)}
        for name in self.by_name:
            ends = self.ends(name, traces)
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


def traces_of(batch: Rollouts) -> list[Trace]:
    """Rollouts as traces, numbered through their batch."""
    rows = zip(
        batch.problems, batch.prompt_ids, batch.token_ids, batch.texts, batch.verdicts, batch.truncated, strict=True
    )
    return [
        Trace.graded(problem.id, number, prompt, tokens, text, verdict, truncated)
        for number, (problem, prompt, tokens, text, verdict, truncated) in enumerate(rows)
    ]

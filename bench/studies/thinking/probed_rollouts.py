"""GRPO on rollouts that a probe has read: it is paid what the probe says, or learns from the groups that it chooses.

The probe reads a copy of the policy. Its own passes are not among the FLOPs that a record counts; their seconds are
those of grading.
"""

import random
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TypeVar

from torch import Tensor

from rlvr_bench.measure.context import CellContext
from rlvr_bench.measure.intervention import Intervention
from rlvr_bench.measure.rollouts import Rollouts
from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.studies.thinking.interventions import ByProbe, DropGroups, ProbeReward
from rlvr_bench.thinking.following import FollowingProbes, traces_of
from rlvr_bench.thinking.settings import ThinkSettings
from rlvr_bench.thinking.subject import Subject
from rlvr_bench.thinking.trace import Trace

SettingsT = TypeVar("SettingsT", bound=ByProbe)


class _ByProbe(Intervention[SettingsT]):
    """Has the probe of the base, which follows the policy."""

    _start: Mapping[str, Tensor] | None = None
    _probes: FollowingProbes | None = None

    def before(self, context: CellContext) -> None:
        """Train the probe of the base, or take it from the cache. Raises ThinkingError where there can be none."""
        # Without what is said of GRPO, so that cells with the same probe share it.
        own = ThinkSettings(traces=self.settings.traces, scorer=self.settings.scorer)
        subject = Subject(context.reference, context.loaded.tokenizer, context.task, own, "base")
        self._start = subject.otv().scorer.trained()

    def training_begins(self, handle: Handle) -> None:
        """See `Intervention`; raises ValueError when the method gives no plain model."""
        if not handle.mergeable:
            raise ValueError("a probe reads plain weights, which this method cannot be merged into; leave one of both")

    def _scores(self, batch: Rollouts, traces: Sequence[Trace]) -> list[float]:
        """How likely each completion is right, as the policy that sampled it is read."""
        with batch.policy() as model:
            if self._probes is None:
                self._probes = FollowingProbes(model, self.settings.scorer, self.settings.learning_rate, self._start)
            self._probes.follow(model)
        return self._probes.ends("fused", traces)

    def _learn(self, traces: Sequence[Trace]) -> None:
        if self.settings.learns and self._probes is not None:
            self._probes.learn(traces)


class PaidByProbe(_ByProbe[ProbeReward]):
    """Mixes the probe's score into the reward."""

    def paid(self, batch: Rollouts, rewards: list[float]) -> list[float]:
        """See `Intervention`."""
        traces, weight = traces_of(batch), self.settings.weight
        scores = self._scores(batch, traces)
        self._learn(traces)
        return [(1 - weight) * reward + weight * score for reward, score in zip(rewards, scores, strict=True)]


class DroppedGroups(_ByProbe[DropGroups]):
    """Drops a share of the groups of each batch."""

    _seed = 0

    def before(self, context: CellContext) -> None:
        """See `Intervention`; a random choice needs no probe."""
        self._seed = context.cell.seed
        if self.settings.by == "probe":
            super().before(context)

    def training_begins(self, handle: Handle) -> None:
        """See `Intervention`."""
        if self.settings.by == "probe":
            super().training_begins(handle)

    def kept(self, batch: Rollouts) -> list[bool]:
        """See `Intervention`."""
        traces, groups = traces_of(batch), list(dict.fromkeys(problem.id for problem in batch.problems))
        source = random.Random(f"drop-groups {self._seed} {batch.step}")
        order = source.sample(groups, len(groups))
        if self.settings.by == "probe":
            signal = expected_signal([trace.problem for trace in traces], self._scores(batch, traces))
            order.sort(key=lambda group: signal[group])
        dropped = set(order[: min(round(self.settings.share * len(groups)), len(groups) - 1)])
        kept = [trace.problem not in dropped for trace in traces]
        # Whoever drops groups to save verdicts has none of theirs.
        self._learn([trace for trace, stays in zip(traces, kept, strict=True) if stays])
        return kept


def expected_signal(groups: Sequence[str], scores: Sequence[float]) -> dict[str, float]:
    """By group the variance of its verdicts to expect, m (1 - m) with m its mean score."""
    by_group: dict[str, list[float]] = {}
    for group, score in zip(groups, scores, strict=True):
        by_group.setdefault(group, []).append(score)
    means = {group: fmean(own) for group, own in by_group.items()}
    return {group: mean * (1 - mean) for group, mean in means.items()}

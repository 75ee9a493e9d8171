"""What policies do with the traces of a part of the problems: replayed from scores; live where that is all there is."""

from collections.abc import Callable
from typing import Any, NamedTuple

from rlvr_bench.thinking.confidence import trace_confidences
from rlvr_bench.thinking.cut_offs import cut_offs
from rlvr_bench.thinking.errors import ThinkingError
from rlvr_bench.thinking.frontier import whole
from rlvr_bench.thinking.live import LiveRun, think
from rlvr_bench.thinking.plain_scores import plain_scores
from rlvr_bench.thinking.policies import DeepConf, Full, Policy
from rlvr_bench.thinking.probe import Probe
from rlvr_bench.thinking.promise import Compared, Terms, choose, compared
from rlvr_bench.thinking.readers import Reader
from rlvr_bench.thinking.simulate import simulate
from rlvr_bench.thinking.subject import Part, Subject
from rlvr_bench.thinking.training import Scores
from rlvr_bench.thinking.zoo import score_traces

DEEPCONF_SCORER = "confidence-lowest"


class Scoring(NamedTuple):
    """How traces are scored: a scorer's name, a maker of its readers, the tokens of a confidence group."""

    name: str
    reader: Callable[[], Reader]
    window: int

    @property
    def is_probability(self) -> bool:
        """Whether scores have a scale, on which a threshold can be set."""
        return self.name == "otv"


class Replays:
    """A policy to what it does with `size` traces of each problem of a part, those from number `first` on."""

    def __init__(self, subject: Subject, part: Part, size: int, scoring: Scoring, first: int = 0) -> None:
        self._subject, self._part, self._size, self._scoring, self._first = subject, part, size, scoring, first
        drawn = subject.traces(part, first + size) if subject.problems(part) else []
        self.traces = [trace for trace in drawn if trace.sample >= first]
        self.scores, self._probe_tokens = self._scored()

    def _scored(self) -> tuple[Scores | None, int]:
        subject, name = self._subject, self._scoring.name
        if not self.traces or name == "none":
            return None, 0
        if name == "otv":
            probe = subject.otv().scorer
            assert isinstance(probe, Probe)
            return score_traces(subject, probe, self.traces, 1), probe.probe_tokens
        confidences = trace_confidences(subject.model, self.traces, subject.settings.scorer.batch_size)
        return plain_scores(self.traces, confidences, self._scoring.window, 1)[name], 0

    def __call__(self, policy: Policy) -> LiveRun:
        """What the policy does."""
        if isinstance(policy, DeepConf):
            problems, scoring = self._subject.problems(self._part), self._scoring
            return think(
                self._subject.asker, problems, self._size, policy, scoring.reader, scoring.window, first=self._first
            )
        if self.scores is None:
            return whole(self.traces, None, self._size, self._size)
        if isinstance(policy, Full):
            return whole(self.traces, self.scores, self._size, self._size, self._probe_tokens)
        return simulate(policy, self.traces, self.scores, self._size, self._probe_tokens)


def promised_policy(
    subject: Subject, scoring: Scoring, size: int, aggregator: str, kind: str | None, terms: Terms
) -> dict[str, Any]:
    """What can be promised of policies, or of one kind of them (see `promise.choose`).

    Raises:
        ThinkingError: there is no kind of policy with cut-offs for this scorer.
    """
    families, looked = candidates(subject, scoring, size, aggregator, kind)
    tested = compared(families, Replays(subject, "calibration", size, scoring), aggregator)
    return choose(families, looked, tested, terms)


def candidates(
    subject: Subject, scoring: Scoring, size: int, aggregator: str, kind: str | None
) -> tuple[dict[str, list[Policy]], Compared]:
    """The cut-offs that may be promised, of all kinds or of one, and what they lose on validation problems.

    Raises:
        ThinkingError: there is no kind of policy with cut-offs for this scorer.
    """
    validation = Replays(subject, "validation", size, scoring)
    families = cut_offs(validation.traces, validation.scores if scoring.is_probability else None, size)
    if scoring.name != DEEPCONF_SCORER:
        families.pop("deepconf", None)
    if (kind is not None and kind not in families) or scoring.name == "none":
        raise ThinkingError(
            f"no cut-off of policy {kind or 'any'!r} can be promised with scorer {scoring.name!r}; choose one of"
            f" {', '.join(families)}"
        )
    families = {name: family for name, family in families.items() if kind in (None, name)}
    return families, compared(families, validation, aggregator)

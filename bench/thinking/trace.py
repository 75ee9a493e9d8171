"""One sampled answer, token by token, with the verdict on it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rlvr_bench.tasks.problem import Verdict


@dataclass(frozen=True, slots=True)
class Trace:
    """A completion of a problem's prompt. `tokens` end with the EOS unless `truncated`; `answer` is None if unparsed.

    `sample` is its number within its problem. `correct` is the verdict of the task's own verifier; a verifier error
    counts as not correct and is kept as `reason`.
    """

    problem: str
    sample: int
    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    text: str
    answer: str | None
    correct: bool
    reason: str
    truncated: bool

    @classmethod
    def graded(
        cls,
        problem: str,
        sample: int,
        prompt: Sequence[int],
        tokens: Sequence[int],
        text: str,
        verdict: Verdict,
        truncated: bool,
    ) -> "Trace":
        """A completion with its verdict."""
        return cls(
            problem=problem,
            sample=sample,
            prompt=tuple(prompt),
            tokens=tuple(tokens),
            text=text,
            answer=verdict.parsed,
            correct=verdict.correct,
            reason=verdict.reason,
            truncated=truncated,
        )

    @property
    def fed(self) -> int:
        """Completion tokens that the model has read when the last one is drawn: positions 1 to `fed` can be probed."""
        return len(self.tokens) - 1


def positions(fed: int, stride: int) -> list[int]:
    """Positions that are scored, counted in completion tokens read: every `stride`-th and the last; [0] if none."""
    return sorted({*range(stride, fed + 1, stride), fed})


def at_share(share: float, fed: int) -> int:
    """The position at a share of the trace, in 1..fed (0 for a trace of one token)."""
    return min(fed, max(1, round(share * fed)))


def groups(traces: Sequence[Trace]) -> dict[str, list[Trace]]:
    """Traces by problem, in their order."""
    by_problem: dict[str, list[Trace]] = {}
    for trace in traces:
        by_problem.setdefault(trace.problem, []).append(trace)
    return by_problem


def mean(values: Iterable[float]) -> float | None:
    """The mean, None of nothing."""
    numbers = list(values)
    return sum(numbers) / len(numbers) if numbers else None

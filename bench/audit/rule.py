"""A rule of the audit: a question, where it comes from, the material that it reads, and the function that answers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rlvr_bench.audit.subject import Subject

Verdict = Literal["ok", "note", "fault", "cannot say"]
Numbers = dict[str, float | int | str | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a rule says: the verdict, the evidence in a sentence, its numbers, and what to do (none where it is ok)."""

    verdict: Verdict
    evidence: str
    numbers: Numbers = field(default_factory=dict)
    action: str = ""


def ok(evidence: str, **numbers: float | int | str | None) -> Answer:
    """Return the answer that nothing is wrong."""
    return Answer("ok", evidence, numbers)


def note(evidence: str, action: str, **numbers: float | int | str | None) -> Answer:
    """Return the answer that a reader should know something."""
    return Answer("note", evidence, numbers, action)


def fault(evidence: str, action: str, **numbers: float | int | str | None) -> Answer:
    """Return the answer that something is wrong."""
    return Answer("fault", evidence, numbers, action)


Judge = Callable[["Subject"], Answer]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule; `source` is a paper or a documentation page, `judge` raises `LacksData` where it cannot say."""

    question: str
    source: str
    judge: Judge


def rule(question: str, source: str) -> Callable[[Judge], Rule]:
    """Make a function a rule.

    Args:
        question: what it answers, in a few words that fit a table.
        source: the paper (arXiv number) or documentation page that the rule follows.
    """
    return lambda judge: Rule(question, source, judge)

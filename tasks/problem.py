"""The types that every task speaks: a problem, a verdict on a completion, the splits.

Nothing here knows where problems come from (see `families`, `datasets`) or how a completion is checked (`verifiers`).
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Split = Literal["pretrain", "train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

Reason = Literal["correct", "wrong", "unparsed", "truncated", "error"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One question with its gold answer.

    `question` is what is asked, without any prompt around it; `answer` is the gold answer as the verifier reads it.
    """

    question: str
    answer: str
    family: str
    level: int = 0
    extra: dict[str, Any] = field(default_factory=dict, compare=False, hash=False)
    where: str = field(default="", compare=False, hash=False)
    """File and line that it was read from; empty for what was made."""

    @property
    def id(self) -> str:
        """First 16 hex digits of the SHA-256 of the question, white space folded: the same text is the same problem."""
        return hashlib.sha256(" ".join(self.question.split()).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verifier says of one completion.

    `reason` "unparsed" means that no answer was found in the completion; "truncated" that the completion was cut off
    before it stated one; "error" that the verifier itself failed
    (time limit, crash), which is counted apart and never taken for a wrong answer.
    """

    correct: bool
    parsed: str | None
    reason: Reason

    @property
    def unread(self) -> bool:
        """Whether the completion states no answer, ended or cut off."""
        return self.reason in ("unparsed", "truncated")

"""Surface strategies: how an answer was reached, read from the text of a completion alone.

A detector is a cheap and blind test of form, as in Shao et al. 2025 (arXiv 2506.10947), who call an answer with the
word "python" in it code reasoning. Detectors overlap: an answer may be in prose and boxed. Whether the answer is right
is not known here.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from rlvr_bench.plugins.suggestion import did_you_mean
from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.verifiers.extraction import MAX_CHARACTERS, marked_answer

_STEP = re.compile(r"[0-9)}]\s?&?=\s?-?(?:\\?[$€£]|\*\*|\\boxed\{)?[0-9]")
"""A value on both sides of "=", plain or with the marks that language models put around it."""
_WORD = re.compile(r"[A-Za-z]{2,}")
_REPEATED = re.compile(r"(.{10,256}?)\1{9}", re.DOTALL)
_SENTENCE_WORDS = 5
_REPETITION_WINDOW = 4096


@dataclass(frozen=True, slots=True)
class Strategy:
    """A detector and what it looks for."""

    description: str
    used: Callable[[str], bool]


def _before_answer(completion: str) -> str:
    return completion[:MAX_CHARACTERS].partition("####")[0]


def _worked(completion: str) -> bool:
    return _STEP.search(_before_answer(completion)) is not None


def _direct(completion: str) -> bool:
    return marked_answer(completion, "hash") is not None and not _before_answer(completion).strip()


def _python(completion: str) -> bool:
    return "python" in completion.lower()


def _prose(completion: str) -> bool:
    return not _python(completion) and len(_WORD.findall(completion[:MAX_CHARACTERS])) >= _SENTENCE_WORDS


def _boxed(completion: str) -> bool:
    return marked_answer(completion, "boxed") is not None


STRATEGIES: dict[str, Strategy] = {
    "worked": Strategy('a worked step ("7*3=1") before the final answer', _worked),
    "direct": Strategy("the final answer (####) and nothing before it", _direct),
    "python": Strategy('the word "python", in any case', _python),
    "prose": Strategy(f"{_SENTENCE_WORDS} words or more, and no python", _prose),
    "boxed": Strategy(r"a \boxed{} that is not empty", _boxed),
}


def find(name: str) -> Strategy:
    """The strategy of a name; raises TaskError if it is unknown."""
    if name not in STRATEGIES:
        raise TaskError(f"Unknown strategy {name!r}{did_you_mean(name, STRATEGIES)}")
    return STRATEGIES[name]


def repeats(completion: str) -> bool:
    """Whether some text of 10 to 256 signs stands ten times or more in a row (Shao et al. 2025, arXiv 2506.10947).

    Only the last 4096 signs are read: a model that has begun to repeat itself does so to its end, and the search takes
    time quadratic in the length.
    """
    return _REPEATED.search(completion[-_REPETITION_WINDOW:]) is not None

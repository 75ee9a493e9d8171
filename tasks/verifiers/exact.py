"""Exact comparison of numbers as fractions, and of other short answers as text. Plain Python, bounded time.

Numbers are equal if their values are: "1,080", "1080.0" and "2160/2" are one answer. A gold answer that is no number is
compared as text, without regard to case, white space and punctuation around it; options ("B") by their letter.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

from rlvr_bench.tasks.problem import Verdict
from rlvr_bench.tasks.verifiers.extraction import FREE_TEXT_ORDER, Rule, decides, marked_answer, number_of
from rlvr_bench.tasks.verifiers.numerals import canonical, normalised, parse_number

_FORMS: dict[Rule, str] = {
    "whole": "{}",
    "hash": "#### {}",
    "boxed": r"\boxed{{{}}}",
    "phrase": "The answer is {}",
    "last-number": "{}",
}
_OPTION = re.compile(r"\W*([A-Za-z])(?:[\W_]|$)")


@dataclass(frozen=True, slots=True)
class ExactVerifier:
    """Reads the answer by the first of `order` that finds one; numbers may differ by `tolerance` at most."""

    order: tuple[Rule, ...] = FREE_TEXT_ORDER
    tolerance: Fraction = Fraction(0)

    @property
    def version(self) -> str:
        """Names the order and the tolerance too: both change verdicts."""
        return f"exact-1 {' '.join(self.order)} {self.tolerance}"

    def verify(self, completion: str, gold: str) -> Verdict:
        """See `Verifier.verify`."""
        number = parse_number(gold)
        return self._verify_number(completion, number) if number is not None else self._verify_text(completion, gold)

    def follows_format(self, completion: str) -> bool:
        """Whether one of the forms with a marker (or a number alone, where that is asked for) is there."""
        asked_for = [rule for rule in self.order if rule == "whole" or decides(rule)]
        return any(marked_answer(completion, rule) is not None for rule in asked_for)

    def completion(self, answer: str) -> str:
        """The form of the first rule."""
        return _FORMS[self.order[0]].format(answer)

    def _verify_number(self, completion: str, gold: Fraction) -> Verdict:
        for rule in self.order:
            text = marked_answer(completion, rule)
            if text is None:
                continue
            number = number_of(text, rule)
            if number is not None:
                correct = abs(number - gold) <= self.tolerance
                return Verdict(correct, canonical(number), "correct" if correct else "wrong")
            if decides(rule):
                return Verdict(False, text, "wrong")
        return Verdict(False, None, "unparsed")

    def _verify_text(self, completion: str, gold: str) -> Verdict:
        for rule in self.order:
            text = None if rule in ("whole", "last-number") else marked_answer(completion, rule)
            if text is not None:
                answer = _plain(text, gold)
                correct = answer == _plain(gold, gold)
                return Verdict(correct, answer, "correct" if correct else "wrong")
        return Verdict(False, None, "unparsed")


def _plain(text: str, gold: str) -> str:
    text = normalised(text)
    option = _OPTION.match(text) if len(gold) == 1 and gold.isalpha() else None
    if option:
        return option[1].casefold()
    return " ".join(text.split()).strip(" .,;:!*$\"'`()").casefold()

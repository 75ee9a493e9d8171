"""Exact comparison of numbers as fractions, and of other short answers as text. Plain Python, bounded time.

Numbers are equal if their values are: "1,080", "1080.0" and "2160/2" are one answer. A gold answer that is no number is
compared as text, without regard to case, white space and punctuation around it; options ("B") by their letter.
"""

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from rlvr_bench.tasks.problem import Verdict
from rlvr_bench.tasks.verifiers.choices import is_choice, last_line_choice, stated_choice
from rlvr_bench.tasks.verifiers.extraction import (
    FREE_TEXT_ORDER,
    Marker,
    Rule,
    asked_order,
    decides,
    marked_answer,
    marker_order,
    spoken,
    stated_answers,
    unfinished_box,
)
from rlvr_bench.tasks.verifiers.numerals import canonical, parse_number, same_value, stated_number
from rlvr_bench.tasks.verifiers.spelling import plain

_FORMS: dict[Rule, str] = {
    "whole": "{}",
    "hash": "#### {}",
    "boxed": r"\boxed{{{}}}",
    "phrase": "The answer is {}",
    "last-number": "{}",
}
_PERCENT = re.compile(r"[0-9]\s?\\?(?:%|per\s?cent)")
_NONE = Verdict(False, None, "unparsed")
_CUT = Verdict(False, None, "truncated")


@dataclass(frozen=True, slots=True)
class ExactVerifier:
    """Reads the answer by the first of `order` that finds one; numbers may differ by `tolerance` at most.

    The tolerance never covers more than half of the gold answer, so that an answer of the other sign is wrong.
    """

    order: tuple[Rule, ...] = FREE_TEXT_ORDER
    tolerance: Fraction = Fraction(0)

    @property
    def version(self) -> str:
        """Names the order and the tolerance too: both change verdicts."""
        return f"exact-1 {' '.join(self.order)} {self.tolerance}"

    def asked_by(self, instruction: str) -> "ExactVerifier":
        """See `Verifier.asked_by`."""
        return replace(self, order=asked_order(self.order, instruction))

    def marked(self, marker: Marker) -> "ExactVerifier":
        """See `Verifier.marked`."""
        return replace(self, order=marker_order(self.order, marker))

    def verify(self, completion: str, gold: str, truncated: bool = False) -> Verdict:
        """See `Verifier.verify`."""
        text = spoken(completion)
        if truncated and "boxed" in self.order and unfinished_box(text):
            return _CUT
        number = _gold_number(gold)
        if number is not None:
            return self._verify_number(text, number, _is_percent(gold), truncated)
        return (
            self._verify_choice(text, gold, truncated) if is_choice(gold) else self._verify_text(text, gold, truncated)
        )

    def follows_format(self, completion: str, truncated: bool = False) -> bool:
        """Whether one of the forms with a marker (or a number alone, where that is asked for) is there."""
        asked_for = [rule for rule in self.order if rule == "whole" or decides(rule)]
        return any(marked_answer(completion, rule, truncated) is not None for rule in asked_for)

    def completion(self, answer: str) -> str:
        """The form of the first rule."""
        return _FORMS[self.order[0]].format(answer)

    def _verify_number(self, text: str, gold: Fraction, percent: bool, truncated: bool) -> Verdict:
        verdict = None
        for rule in self.order:
            if truncated and rule in ("whole", "last-number"):
                continue
            for stated in stated_answers(text, rule):
                number = _number(stated.text, rule)
                unfinished = number is None and stated.text[-1].isalpha()  # "3 mil"
                if truncated and stated.open and (unfinished or number != _number(stated.settled(), rule)):
                    return _CUT
                if number is not None:
                    equal = self._same(number, _is_percent(stated.text), gold, percent)
                    return _verdict(equal, canonical(number))
                if rule == "boxed" or any(map(str.isdigit, stated.text)):
                    return Verdict(False, stated.text, "wrong")
                if rule == "hash":  # words alone: a heading, or an answer if nothing else is one
                    verdict = verdict or Verdict(False, stated.text, "wrong")
        return verdict or (_CUT if truncated else _NONE)

    def _same(self, number: Fraction, in_percent: bool, gold: Fraction, gold_in_percent: bool) -> bool:
        """Whether the values are equal; "50%" is 50 and 0.5, but "0.25%" is not 1/4."""
        if in_percent == gold_in_percent:
            return self._equal(number, gold)
        whole = self._equal(number * 100 if gold_in_percent else number / 100, gold)
        return whole or (not (in_percent and abs(gold) < 1) and self._equal(number, gold))

    def _equal(self, number: Fraction, gold: Fraction) -> bool:
        return same_value(number, gold) or abs(number - gold) <= min(self.tolerance, abs(gold) / 2)

    def _verify_choice(self, text: str, gold: str, truncated: bool) -> Verdict:
        right = plain(gold).strip(" ().").upper()
        verdict = None
        for rule in self.order:
            for stated in stated_answers(text, rule) if rule not in ("whole", "last-number") else ():
                choice = stated_choice(stated.text)
                if truncated and stated.open and choice != stated_choice(stated.settled()):
                    return _CUT
                if choice is not None:
                    return _verdict(choice == right, choice.casefold())
                if decides(rule):
                    verdict = verdict or Verdict(False, stated.text, "wrong")
        last = last_line_choice(text) if "last-number" in self.order and not truncated and verdict is None else None
        if last is not None:
            return _verdict(last == right, last.casefold())
        return verdict or (_CUT if truncated else _NONE)

    def _verify_text(self, text: str, gold: str, truncated: bool) -> Verdict:
        for rule in self.order:
            stated = None if rule in ("whole", "last-number") else next(stated_answers(text, rule), None)
            if stated is not None:
                answer = _plain(stated.text)
                if truncated and stated.open and answer != _plain(stated.settled()):
                    return _CUT
                return _verdict(answer == _plain(gold), answer)
        return _CUT if truncated else _NONE


def _number(text: str, rule: Rule) -> Fraction | None:
    """The number in what `rule` found. Boxes and whole completions have to be nothing but a number."""
    return stated_number(text) if rule in ("hash", "phrase") else parse_number(text)


@lru_cache(maxsize=4096)
def _gold_number(gold: str) -> Fraction | None:
    return parse_number(gold)


def _is_percent(text: str) -> bool:
    return ("%" in text or "cent" in text) and _PERCENT.search(text) is not None


def _verdict(correct: bool, parsed: str) -> Verdict:
    return Verdict(correct, parsed, "correct" if correct else "wrong")


def _plain(text: str) -> str:
    return " ".join(plain(text).split()).strip(" .,;:!?*\"'`()").casefold()

"""LaTeX and symbolic answers: normal forms decide what they can, math-verify does the algebra in a child process.

math-verify's own time limits rest on signals, which neither threads nor code stuck in C heed; a child that is killed
from outside is the only limit that always holds. What cannot be decided is "error".
"""

from dataclasses import dataclass, replace
from functools import lru_cache

from rlvr_bench.tasks.problem import Verdict
from rlvr_bench.tasks.verifiers.choices import stated_choice
from rlvr_bench.tasks.verifiers.comparison import open_questions
from rlvr_bench.tasks.verifiers.extraction import (
    Marker,
    Rule,
    asked_order,
    marked_answer,
    marker_order,
    spoken,
    stated_answers,
    unfinished_box,
)
from rlvr_bench.tasks.verifiers.forms import Choice, Form, Number, Text
from rlvr_bench.tasks.verifiers.formula import last_formula, stated_formula
from rlvr_bench.tasks.verifiers.math_process import shared_pool
from rlvr_bench.tasks.verifiers.normal_form import normal_form
from rlvr_bench.tasks.verifiers.numerals import canonical, stated_number

_ORDER: tuple[Rule, ...] = ("boxed", "hash", "phrase", "last-number")
_CUT = Verdict(False, None, "truncated")
_FORMS: dict[Rule, str] = {"boxed": r"\boxed{{{}}}", "hash": "#### {}", "phrase": "The answer is ${}$."}


@dataclass(frozen=True, slots=True)
class LatexVerifier:
    """The first of `order` that finds an answer; the fallback is the last formula or number of the completion.

    Boxes with few signs between them are one answer: "\\boxed{1} and \\boxed{2}" is the list 1, 2.
    """

    seconds: float = 2.0
    """Limit of processor time for the algebra of one completion, so that a busy machine changes no verdict."""

    order: tuple[Rule, ...] = _ORDER

    @property
    def version(self) -> str:
        """Bumped whenever a verdict may change; math-verify's own version is recorded with the environment."""
        return f"latex-2 {self.seconds}" + ("" if self.order == _ORDER else f" {' '.join(self.order)}")

    def asked_by(self, instruction: str) -> "LatexVerifier":
        """See `Verifier.asked_by`."""
        return replace(self, order=asked_order(self.order, instruction))

    def marked(self, marker: Marker) -> "LatexVerifier":
        """See `Verifier.marked`."""
        return replace(self, order=marker_order(self.order, marker))

    def verify(self, completion: str, gold: str, truncated: bool = False) -> Verdict:
        """See `Verifier.verify`; raises TaskError only if math-verify itself cannot be started."""
        text = spoken(completion)
        if truncated and "boxed" in self.order and unfinished_box(text):
            return _CUT
        form = _gold_form(gold)
        answer = self._answer(text, form, truncated)
        if answer is None:
            return _CUT if truncated else Verdict(False, None, "unparsed")
        return self._compare(gold, form, answer)

    def follows_format(self, completion: str, truncated: bool = False) -> bool:
        """Whether the required form is there, with something in it."""
        return marked_answer(completion, self.order[0], truncated) is not None

    def completion(self, answer: str) -> str:
        """The answer in the form of the first rule, usually a box."""
        return _FORMS[self.order[0]].format(answer)

    def _answer(self, text: str, gold: Form, truncated: bool) -> str | None:
        for rule in self.order:
            if rule == "last-number":
                if not truncated and (formula := last_formula(text)) is not None:
                    return formula
                continue
            for stated in stated_answers(text, rule):
                if rule == "boxed":
                    return stated.text
                answer = _in_sentence(stated.text, gold)
                if truncated and stated.open and answer != _in_sentence(stated.settled(), gold):
                    return None
                if answer is not None:
                    return answer
        return None

    def _compare(self, gold: str, form: Form, answer: str) -> Verdict:
        if "".join(gold.split()) == "".join(answer.split()):
            return Verdict(True, answer, "correct")
        answered = normal_form(answer, form)
        if isinstance(form, Choice) and (letter := stated_choice(answer)) is not None:
            answered = Choice(letter)
        parsed = canonical(answered.value) if isinstance(answered, Number) and not answered.percent else answer
        questions = open_questions(form, answered)
        if questions is None:
            return Verdict(False, parsed, "wrong")
        equal = shared_pool().all_equal(questions, self.seconds) if questions else True
        if equal is None:
            return Verdict(False, None, "error")
        return Verdict(equal, parsed, "correct" if equal else "wrong")


@lru_cache(maxsize=4096)
def _gold_form(gold: str) -> Form:
    return normal_form(gold)


def _in_sentence(text: str, gold: Form) -> str | None:
    """The answer in the rest of a line: a formula, a number, an option, or the words as they stand; None if none.

    Words are an answer only where the gold answer is words: "the answer is clear" states none.
    """
    if isinstance(gold, Choice):
        return stated_choice(text)
    formula = stated_formula(text, words=isinstance(gold, Text))
    if formula is not None:
        return formula
    number = stated_number(text)
    return None if number is None else canonical(number)

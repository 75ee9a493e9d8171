r"""Two normal forms side by side: what of them is equal, what is not, and what is left for algebra to decide."""

from fractions import Fraction

from rlvr_bench.tasks.verifiers.forms import (
    DOTS,
    Based,
    Choice,
    Contradiction,
    Expression,
    Form,
    Group,
    Matrix,
    Number,
    Text,
    Time,
    Union,
)
from rlvr_bench.tasks.verifiers.numerals import decimal_places, same_value

Pairs = list[tuple[str, str]]
"""LaTeX of the gold answer and of the answer, all of which have to be equal."""


def open_questions(gold: Form, answer: Form) -> Pairs | None:
    """What algebra has to find equal for `answer` to be `gold`; empty: they are equal; None: they are not."""
    if isinstance(answer, Contradiction) or isinstance(gold, Contradiction):
        return None
    if isinstance(gold, Number) and isinstance(answer, Number):
        return [] if _same_number(gold, answer) else None
    if isinstance(gold, Group) and isinstance(answer, Group):
        return _group(gold, answer)
    if isinstance(gold, Union) and isinstance(answer, Union):
        return _unordered(gold.parts, answer.parts)
    if isinstance(gold, Union) and isinstance(answer, Group) and not answer.left:  # "(0, 1) or (2, 3)"
        return _unordered(gold.parts, answer.items)
    if isinstance(gold, Matrix) and isinstance(answer, Matrix):
        return _matrix(gold, answer)
    if isinstance(gold, Matrix | Group) and isinstance(answer, Matrix | Group):
        return _vectors(gold, answer)
    if isinstance(gold, Time) and isinstance(answer, Time):
        return (
            [] if gold.minutes == answer.minutes and (gold.half or answer.half) == (answer.half or gold.half) else None
        )
    # Digits without a base are an answer where the gold answer says one ("1011" for 1011_2); base 10 is a plain number.
    if isinstance(gold, Based):
        return [] if gold == answer or _without_base(gold, answer) else None
    if isinstance(answer, Based):
        return (
            open_questions(gold, Number(Fraction(answer.digits), False, answer.digits)) if answer.base == 10 else None
        )
    return _algebra(gold, answer)


def _same_number(gold: Number, answer: Number) -> bool:
    if answer.percent and not gold.percent and 0 < abs(gold.value) < 1:  # "0.25%" for 1/4
        return answer.value == 100 * gold.value
    if same_value(answer.value, gold.value) or _rounded(answer.value, gold.value):
        return True
    if gold.percent == answer.percent:
        return False
    percent, other = (gold.value, answer.value) if gold.percent else (answer.value, gold.value)
    return percent == 100 * other


def _rounded(answer: Fraction, gold: Fraction) -> bool:
    """Whether a decimal of six places or more is a fraction without end, rounded or cut off."""
    places = decimal_places(answer)
    return (
        places >= 6
        and decimal_places(gold) == 0
        and gold.denominator > 1
        and abs(answer - gold) < Fraction(1, 10**places)
        and abs(answer - gold) < abs(gold) / 10**5
    )


def _without_base(gold: Based, answer: Form) -> bool:
    return isinstance(answer, Number) and answer.value.denominator == 1 and str(answer.value) == gold.digits


def _group(gold: Group, answer: Group) -> Pairs | None:
    if len(gold.items) != len(answer.items):
        return None
    if gold.names and answer.names and set(gold.names) == set(answer.names) and len(set(gold.names)) == len(gold.names):
        by_name = dict(zip(answer.names, answer.items, strict=True))
        return _in_order(gold.items, tuple(by_name[name] for name in gold.names))
    if DOTS in gold.items or DOTS in answer.items:
        return _in_order(gold.items, answer.items) if _brackets_agree(gold, answer) else None
    if not _brackets_agree(gold, answer):
        return None
    if gold.left in ("{", "") and answer.left in ("{", "") and not gold.names:
        return _unordered(gold.items, answer.items)
    return _in_order(gold.items, _by_letter(answer))


def _brackets_agree(gold: Group, answer: Group) -> bool:
    """Brackets are part of an answer; only a list without any may stand for, or be given as, a set or a tuple."""
    same = (gold.left, gold.right) == (answer.left, answer.right)
    bare = (gold.left + gold.right in ("", "()", "{}"), answer.left + answer.right in ("", "()", "{}"))
    return same or (all(bare) and "" in (gold.left, answer.left))


def _by_letter(answer: Group) -> "tuple[Form, ...]":
    """Coordinates in the order of x, y, z if they are named so; else as they stand."""
    if answer.names and len(set(answer.names)) == len(answer.names) and set(answer.names) <= set("xyz"):
        return tuple(item for _, item in sorted(zip(answer.names, answer.items, strict=True), key=lambda pair: pair[0]))
    return answer.items


def _in_order(gold: "tuple[Form, ...]", answer: "tuple[Form, ...]") -> Pairs | None:
    pairs: Pairs = []
    for one, other in zip(gold, answer, strict=True):
        questions = open_questions(one, other)
        if questions is None:
            return None
        pairs += questions
    return pairs


def _unordered(gold: "tuple[Form, ...]", answer: "tuple[Form, ...]") -> Pairs | None:
    if len(gold) != len(answer):
        return None
    left = list(answer)
    doubtful: list[Form] = []
    for one in gold:
        same = next((other for other in left if open_questions(one, other) == []), None)
        if same is None:
            doubtful.append(one)
        else:
            left.remove(same)
    if len(doubtful) == 1:
        return open_questions(doubtful[0], left[0])
    if all(isinstance(one, Number | Expression) for one in [*doubtful, *left]):
        return [(_set(doubtful), _set(left))] if doubtful else []
    # Intervals and the like: the order in which they stand is tried, then its reverse.
    return _in_order(tuple(doubtful), tuple(left)) or _in_order(tuple(doubtful), tuple(left[::-1]))


def _set(forms: list[Form]) -> str:
    return "\\{" + ", ".join(form.latex for form in forms if isinstance(form, Number | Expression)) + "\\}"


def _vectors(gold: Matrix | Group, answer: Matrix | Group) -> Pairs | None:
    """A column or row beside its coordinates in round brackets."""
    one, other = _coordinates(gold), _coordinates(answer)
    return _in_order(one, other) if one and other and len(one) == len(other) else None


def _coordinates(form: Matrix | Group) -> "tuple[Form, ...]":
    """The coordinates of a vector, in order; none if it is no vector."""
    if isinstance(form, Group):
        return form.items if form.left + form.right == "()" else ()
    return sum(form.rows, ()) if 1 in (len(form.rows), max(map(len, form.rows), default=0)) else ()


def _matrix(gold: Matrix, answer: Matrix) -> Pairs | None:
    if [len(row) for row in gold.rows] != [len(row) for row in answer.rows]:
        return None
    return _in_order(sum(gold.rows, ()), sum(answer.rows, ()))


def _algebra(gold: Form, answer: Form) -> Pairs | None:
    one, other = _written(gold), _written(answer)
    if one is None or other is None:
        return None
    if _squeezed(one) == _squeezed(other):
        return []
    if {_squeezed(one), _squeezed(other)} & {"\\infty", "-\\infty"}:
        return None
    if isinstance(gold, Number | Expression) and isinstance(answer, Number | Expression) and DOTS not in (gold, answer):
        return _equations(gold, answer) if "=" in one or "=" in other else [(one, other)]
    if isinstance(gold, Text | Choice) and isinstance(answer, Text | Choice | Expression):
        return [] if _letters(one) == _letters(other) else None
    return None


def _equations(gold: Number | Expression, answer: Number | Expression) -> Pairs | None:
    """An equation is compared with an equation: "2x = 5" is not the 5 of "x = 5"."""
    one, other = (
        form.equation if isinstance(form, Expression) and form.equation else form.latex for form in (gold, answer)
    )
    return [(one, other)] if "=" in one and "=" in other else None


def _squeezed(latex: str) -> str:
    return "".join(latex.split()).removeprefix("+")


def _written(form: Form) -> str | None:
    match form:
        case Number() | Expression():
            return form.latex
        case Choice():
            return form.letter
        case Text():
            return form.words
    return None


def _letters(text: str) -> str:
    return "".join(sign for sign in text.casefold() if sign.isalnum())

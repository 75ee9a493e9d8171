"""One normal form per kind of answer: gold in any form is accepted, any one change of it is refused.

Kinds that need algebra are in `test_tasks_latex`; everything here is decided without a child process.
"""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr_bench.tasks.verifiers.comparison import open_questions
from rlvr_bench.tasks.verifiers.exact import ExactVerifier
from rlvr_bench.tasks.verifiers.forms import Number
from rlvr_bench.tasks.verifiers.latex import LatexVerifier
from rlvr_bench.tasks.verifiers.normal_form import normal_form

EXACT, LATEX = ExactVerifier(), LatexVerifier()
STATEMENTS = (r"\boxed{{{}}}", "The answer is ${}$.", "The final answer is ${}$. I hope it is correct.", "#### {}")


def same(gold: str, answer: str) -> bool:
    """Whether two answers are equal, where that takes no algebra."""
    form = normal_form(gold)
    questions = open_questions(form, normal_form(answer, form))
    assert not questions, f"{gold} and {answer} are left to algebra: {questions}"
    return questions == []


def with_commas(value: int, comma: str) -> str:
    return f"{value:,}".replace(",", comma)


def integer_forms(value: int) -> list[str]:
    minus = [f"\u2212{-value}", f"- {-value}", f"negative {-value}"] if value < 0 else [f"+{value}"]
    commas = [with_commas(value, comma) for comma in (",", "{,}", r",\!", r"\,", "\u202f")]
    wrapped = [form.format(value) for form in ("{}", "{{{}}}", r"\text{{{}}}", r"\bm{{{}}}", "{}.0", "x = {}", "{}.")]
    return [*minus, *commas, *wrapped, f"{2 * value}/2", rf"\frac{{{3 * value}}}{{3}}"]


INTEGERS = st.integers(-(10**12), 10**12)


@given(INTEGERS, INTEGERS.filter(bool), st.sampled_from(STATEMENTS), st.data())
def test_integers(value: int, off: int, statement: str, data: st.DataObject) -> None:
    gold = data.draw(st.sampled_from(integer_forms(value)))
    answer = statement.format(data.draw(st.sampled_from(integer_forms(value))))
    other = statement.format(data.draw(st.sampled_from(integer_forms(value + off))))
    for verifier in (EXACT, LATEX):
        assert verifier.verify(answer, gold).reason == "correct"
        assert verifier.verify(other, gold).reason == "wrong"
        assert value == 0 or verifier.verify(statement.format(-value), gold).reason == "wrong"


FRACTIONS = st.builds(Fraction, st.integers(-999, 999), st.integers(2, 99)).filter(lambda one: one.denominator > 1)


def fraction_forms(value: Fraction) -> list[str]:
    sign, top, bottom = "-" if value < 0 else "", abs(value.numerator), value.denominator
    whole, rest = divmod(top, bottom)
    plain = [f"{sign}{top}/{bottom}", *(rf"{sign}{command}{{{top}}}{{{bottom}}}" for command in (r"\frac", r"\dfrac"))]
    unreduced = [rf"\frac{{{sign}{2 * top}}}{{{2 * bottom}}}"]
    mixed = [rf"{sign}{whole}\frac{{{rest}}}{{{bottom}}}", f"{sign}{whole} {rest}/{bottom}"] if whole else []
    return [*plain, *unreduced, *mixed]


@given(FRACTIONS, FRACTIONS, st.data())
def test_fractions_and_mixed_numbers(value: Fraction, other: Fraction, data: st.DataObject) -> None:
    gold, answer = (data.draw(st.sampled_from(fraction_forms(value))) for _ in "12")
    assert same(gold, answer)
    assert same(gold, data.draw(st.sampled_from(fraction_forms(other)))) == (value == other)
    assert not same(gold, data.draw(st.sampled_from(fraction_forms(-value))))
    assert not same(gold, str(int(value)))


@given(st.decimals(-(10**6), 10**6, allow_nan=False, places=3), st.sampled_from([1, -1, 10, 100, -1000]))
def test_decimals(value: object, off: int) -> None:
    number = Fraction(str(value))
    text = f"{value:,}"
    for form in (str(value), text, str(value).replace("0.", ".", 1) if abs(number) < 1 else text, f"{value}0"):
        assert same(str(value), form)
    assert not same(str(value), str(float(number) + off / 1000))


@given(st.integers(1, 999), st.integers(1, 20))
def test_percent(value: int, off: int) -> None:
    for gold in (rf"{value}\%", f"{value}%", f"{value} percent"):
        for answer in (rf"{value}\%", f"{value}", rf"{value} \text{{ percent}}", str(value / 100)):
            assert same(gold, answer)
        assert not same(gold, rf"{value + off}\%") and not same(gold, str((value + off) / 100))
        assert not same(gold, rf"{value / 100}\%")


@given(st.integers(0, 99_999), st.integers(0, 99), st.integers(1, 99))
def test_money(whole: int, cents: int, off: int) -> None:
    gold = rf"\${whole}.{cents:02d}"
    for answer in (
        gold,
        f"${whole:,}.{cents:02d}",
        f"{whole}.{cents:02d} dollars",
        rf"{whole}.{cents:02d}\text{{ dollars}}",
    ):
        assert same(gold, answer)
    assert not same(gold, rf"\${whole}.{(cents + off) % 100:02d}")
    assert not same(gold, rf"\${whole + off}.{cents:02d}")


@given(
    st.integers(1, 999),
    st.sampled_from([r"\mbox{ inches}^2", r"\text{ cm}", r"^\circ", r"\text{ km/h}", r"\text{ square feet}"]),
)
def test_units(value: int, unit: str) -> None:
    for answer in (f"{value}{unit}", f"{value}", f"{value} units", f"x = {value}{unit}"):
        assert same(f"{value}{unit}", answer)
        assert not same(f"{value + 1}{unit}", answer) and not same(f"-{value}{unit}", answer)


@given(st.lists(st.integers(0, 4), min_size=2, max_size=6).filter(lambda digits: digits[0] > 0), st.integers(5, 9))
def test_bases(digits: list[int], base: int) -> None:
    number = "".join(map(str, digits))
    words = {5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine"}
    for answer in (f"{number}_{base}", f"{number}_{{{base}}}", rf"{number}_{{\text{{{words[base]}}}}}", number):
        assert same(f"{number}_{base}", answer)
    assert not same(f"{number}_{base}", f"{number}_{base + 1}")
    assert not same(f"{number}_{base}", f"{number[:-1]}{(digits[-1] + 1) % 5}_{base}")
    assert not same(number, f"{number}_{base}")


@given(st.integers(1, 12), st.integers(0, 59), st.sampled_from("AP"))
def test_times(hour: int, minute: int, half: str) -> None:
    gold = rf"{hour}:{minute:02d} \text{{ {half}M}}"
    other = "AP"[half == "A"]
    for answer in (
        f"{hour}:{minute:02d} {half.lower()}.m.",
        rf"{hour}:{minute:02d}\text{{ {half}.M.}}",
        f"{hour}:{minute:02d}",
    ):
        assert same(gold, answer) and same(f"{hour}:{minute:02d}", answer)
    assert not same(gold, f"{hour}:{minute:02d} {other}M")
    assert not same(gold, f"{hour}:{(minute + 1) % 60:02d} {half}M")
    assert not same(gold, f"{hour % 12 + 1}:{minute:02d} {half}M")


@pytest.mark.parametrize("letter", "ABCDE")
def test_choices(letter: str) -> None:
    for gold in (letter, rf"\text{{({letter})}}", f"({letter})"):
        for answer in (letter, f"({letter})", rf"\text{{{letter}}}", rf"\textbf{{({letter})}}", f"{letter}."):
            assert same(gold, answer)
        assert not same(gold, chr(ord(letter) + 1)) and not same(gold, "5")


@given(st.sampled_from(["Evelyn", "even", "east", "July", "ellipse", "Ann Smith"]))
def test_words(words: str) -> None:
    for answer in (
        words,
        rf"\text{{{words}}}",
        words.lower(),
        rf"\mathrm{{{words}}}",
        f"{words}.",
        rf"\textbf{{ {words} }}",
    ):
        assert same(rf"\text{{{words}}}", answer)
    for other in ("odd", "West", f"not {words}", words[:-1], "5", rf"\text{{{words} or odd}}"):
        assert not same(rf"\text{{{words}}}", other)


ITEMS = st.lists(st.integers(-50, 50), min_size=2, max_size=5, unique=True)


@given(ITEMS, st.data())
def test_tuples(items: list[int], data: st.DataObject) -> None:
    text = ", ".join(map(str, items))
    letters = "abcdefgh"[: len(items)]
    named = ", ".join(f"{letter} = {item}" for letter, item in zip(letters, items, strict=True))
    for answer in (
        f"({text})",
        text,
        rf"\left( {text} \right)",
        f"({text.replace(' ', '')})",
        rf"\langle {text} \rangle",
        named,
    ):
        assert same(f"({text})", answer)
    shuffled = data.draw(st.permutations(items).filter(lambda other: other != items))
    assert not same(f"({text})", f"({', '.join(map(str, shuffled))})")
    place = data.draw(st.integers(0, len(items) - 1))
    changed = [item + 100 * (place == at) for at, item in enumerate(items)]
    assert not same(f"({text})", f"({', '.join(map(str, changed))})")
    assert not same(f"({text})", f"({', '.join(map(str, items[:-1]))})")
    for left, right in (("[", "]"), ("[", ")"), ("(", "]"), (r"\{", r"\}")):
        assert not same(f"({text})", f"{left}{text}{right}")


@given(ITEMS, st.data())
def test_sets_and_lists(items: list[int], data: st.DataObject) -> None:
    shuffled = [str(item) for item in data.draw(st.permutations(items))]
    text = ", ".join(map(str, items))
    for gold in (text, rf"\{{{text}\}}"):
        for answer in (
            ", ".join(shuffled),
            rf"\{{{', '.join(shuffled)}\}}",
            rf"\left\{{ {', '.join(shuffled)} \right\}}",
        ):
            assert same(gold, answer)
        assert same(gold, r" \text{ and } ".join(shuffled)) and same(
            gold, " or ".join(f"x = {one}" for one in shuffled)
        )
        assert not same(gold, ", ".join([*shuffled, "77"])) and not same(gold, ", ".join([*shuffled[:-1], "77"]))
    assert not same(rf"\{{{text}\}}", f"({text})")


ENDS = st.tuples(st.integers(-50, 50), st.integers(1, 50)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(ENDS, st.sampled_from("[("), st.sampled_from("])"), st.data())
def test_intervals(ends: tuple[int, int], left: str, right: str, data: st.DataObject) -> None:
    low, high = ends
    gold = f"{left}{low},{high}{right}"
    below, above = (r"\le" if left == "[" else "<"), (r"\le" if right == "]" else "<")
    for answer in (
        rf"\left{left} {low}, {high} \right{right}",
        rf"x \in {gold}",
        rf"{low} {below} x {above} {high}",
        rf"{low} {below} \lambda {above} {high}".replace("<", r"\lt") if "<" in below + above else gold,
    ):
        assert same(gold, answer)
    other_left, other_right = "[("[left == "["], "])"[right == "]"]
    for other in (
        f"{other_left}{low},{high}{right}",
        f"{left}{low},{high}{other_right}",
        f"{left}{low + 1},{high + 1}{right}",
        f"{left}{high},{low}{right}",
        f"{left}{low},\\infty{right}",
    ):
        assert not same(gold, other)


@given(st.integers(-50, 50), st.sampled_from("[("))
def test_intervals_without_end(low: int, left: str) -> None:
    gold = rf"{left}{low}, \infty)"
    assert same(gold, rf"x {'>' if left == '(' else chr(92) + 'ge'} {low}") and same(gold, f"{left}{low}, ∞)")
    assert not same(gold, rf"{left}{low}, \infty]") and not same(gold, rf"(-\infty, {low})")
    assert not same(gold, rf"{left}{low}, -\infty)")
    assert not same(rf"(-\infty, {low}]", rf"[-\infty, {low}]")


@given(ENDS, ENDS)
def test_unions(one: tuple[int, int], two: tuple[int, int]) -> None:
    first, second = f"({one[0]},{one[1]})", f"[{two[0]},{two[1]}]"
    gold = rf"{first} \cup {second}"
    assert same(gold, rf"{second} \cup {first}") and same(gold, f"{first} ∪ {second}")
    assert not same(gold, rf"{first} \cup ({two[0]},{two[1]}]")
    assert not same(gold, first) and not same(gold, rf"{gold} \cup (100,101)")


@given(st.lists(st.lists(st.integers(-9, 9), min_size=2, max_size=2), min_size=2, max_size=3), st.integers(1, 9))
def test_matrices(rows: list[list[int]], off: int) -> None:
    def written(kind: str, rows: list[list[int]]) -> str:
        return rf"\begin{{{kind}}} " + r" \\ ".join(" & ".join(map(str, row)) for row in rows) + rf" \end{{{kind}}}"

    gold = written("pmatrix", rows)
    assert same(gold, written("bmatrix", rows))
    assert not same(gold, written("pmatrix", [[rows[0][0] + off, *rows[0][1:]], *rows[1:]]))
    assert not same(gold, written("pmatrix", [[entry for row in rows for entry in row]]))
    assert not same(gold, written("pmatrix", rows[::-1])) or rows == rows[::-1]


def test_sequences_keep_their_dots() -> None:
    assert same(r"1, 2, \ldots, 10", r"1, 2, \dots, 10") and same(r"1,2,\ldots,10", "1, 2, ..., 10")
    assert not same("1, 2, 10", r"1, 2, \ldots, 10") and not same(r"1, 2, \ldots, 10", "1, 2, 10")
    assert not same(r"1, 2, \ldots, 10", r"1, 2, \ldots, 11")


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("5", "4=5"),
        ("5", "4 = x = 5"),
        ("2", "2 2/3"),
        ("2^{98}", "2^{99}"),
        ("10^{30}", "10^{31}"),
        ("3:4", "4:3"),
        (r"12^{\mathrm{th}} \text{ grade}", r"11^{\text{th}} \text{ grade}"),
        ("5", r"\text{no solution}"),
        ("1, 2", "1, 2, 3"),
        ("(3, 5)", "b = 3, a = 6"),
    ],
)
def test_answers_that_are_others(gold: str, answer: str) -> None:
    assert not same(gold, answer)


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        (r"\frac{71}{6}", "11 5/6"),
        (r"12^{\mathrm{th}} \text{ grade}", r"12^{\text{th}} \text{ grade}"),
        ("12:00", "noon"),
        (r"6:00 \text{ PM}", "18:00"),
        ("10080", r"10\,080"),
        (".0000672", r"6.72 \times 10^{-5}"),
        (r"\frac13", "0.333333"),
        ("(3, 5)", "y = 5, x = 3"),
        ("x=5", "5"),
        (r"\text{east}", r"\textbf{East}"),
        ("3:4", "3 : 4"),
    ],
)
def test_answers_that_are_the_same(gold: str, answer: str) -> None:
    assert same(gold, answer)


def test_a_letter_behind_a_number_is_a_unit_only_where_a_number_is_asked_for() -> None:
    assert same("12", "12 m")
    assert isinstance(normal_form("12 m", normal_form("12")), Number)
    assert not isinstance(normal_form("2k"), Number)


@given(
    st.text(alphabet="0123456789.,()[]{}\\fracpicupxy=<>^_&: -+\n\u221e\u00bd", max_size=60),
    st.sampled_from(["5", "(1,2)", "x^2"]),
)
def test_any_text_has_a_form(text: str, gold: str) -> None:
    form = normal_form(gold)
    assert open_questions(form, normal_form(text, form)) is None or form is not None

"""How a row of each known data set becomes a problem. Each raises TaskError for a row that does not do."""

import re
from collections.abc import Callable

from rlvr_bench.tasks.datasets.fields import answer_of
from rlvr_bench.tasks.datasets.final_answer import without_marks
from rlvr_bench.tasks.datasets.rows import Row
from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.problem import Problem
from rlvr_bench.tasks.verifiers.numerals import parse_number


def number(row: Row, text: str) -> str:
    """`text`, if it is a number."""
    if parse_number(text) is None:
        raise TaskError(f"{row.where}: the answer {text[:60]!r} is not a number: correct or delete it.")
    return text


def gsm8k(row: Row) -> Problem:
    """Worked steps and a last line "#### N" in `answer`."""
    steps, mark, answer = row.text("answer").rpartition("####")
    if not mark:
        raise TaskError(f"{row.where}: the field 'answer' has no line \"#### N\": correct or delete it.")
    return Problem(row.text("question"), number(row, answer.strip()), "gsm8k", extra={"solution": steps.strip()})


def svamp(row: Row) -> Problem:
    """A story in `Body`, what is asked in `Question`."""
    question = f"{row.text('Body').rstrip(' .')}. {row.text('Question')}"
    return Problem(question, number(row, row.text("Answer")), "svamp", extra={"type": row.fields.get("Type")})


def asdiv(row: Row) -> Problem:
    """As SVAMP; the answer has its unit behind it in parentheses, "9 (apples)", and is not always a number."""
    answer = re.sub(r"\s*\([^()]*\)", "", row.text("answer")).strip()
    if not answer:
        raise TaskError(f"{row.where}: the field 'answer' is {row.text('answer')[:60]!r}, a unit only: correct it.")
    return Problem(f"{row.text('body')} {row.text('question')}", answer, "asdiv")


def aqua(row: Row) -> Problem:
    """Five options, each after its letter; the letter of the right one in `correct`."""
    options, letter = row.fields.get("options"), row.text("correct")
    if not isinstance(options, list) or letter not in [str(option)[:1] for option in options]:
        raise TaskError(f"{row.where}: no option begins with the right letter {letter!r}: correct or delete it.")
    return Problem("\n".join([row.text("question"), *map(str, options)]), letter, "aqua")


def math(row: Row) -> Problem:
    """A worked `solution` with the answer in its last box; `answer` too in some copies; `level` is "Level 5" or 5."""
    solution = row.text("solution")
    level = re.search(r"[1-5]", str(row.fields.get("level")))
    return Problem(
        row.text("problem"),
        _stated(row),
        "math",
        int(level[0]) if level else 0,
        extra={"solution": without_marks(solution), "type": row.fields.get("type", row.fields.get("subject"))},
    )


def minerva(row: Row) -> Problem:
    """`question` and `answer` on the hub; `problem` and a `solution` with a box in the original release."""
    return Problem(row.first("question", "problem"), _stated(row), "minerva")


def olympiadbench(row: Row) -> Problem:
    """A list of answers, each between dollar signs, all of which are asked for; `context` stands before some."""
    context = row.fields.get("context")
    question = f"{context}\n{row.text('question')}" if context else row.text("question")
    return Problem(question, _without_dollars(answer_of(row, "final_answer")), "olympiadbench")


def college_math(row: Row) -> Problem:
    """Answers between dollar signs, or plain numbers."""
    return Problem(row.text("question"), _without_dollars(row.text("answer")), "college_math")


def plain(family: str, question: str, answer: str, numeric: bool = True) -> Callable[[Row], Problem]:
    """A field for the question and one for the answer as it is; `numeric` ones have to be numbers."""

    def read(row: Row) -> Problem:
        level = row.fields.get("level")
        text = row.text(answer)
        return Problem(
            row.text(question), number(row, text) if numeric else text, family, level if isinstance(level, int) else 0
        )

    return read


def _stated(row: Row) -> str:
    """The answer of the field `answer`, or where there is none of the last box in `solution`."""
    if row.fields.get("answer") is not None:
        return row.text("answer")
    answer = answer_of(row, "solution")
    if answer == row.text("solution"):
        raise TaskError(f"{row.where}: the field 'solution' has no \\boxed{{answer}}: correct or delete it.")
    return answer


def _without_dollars(text: str) -> str:
    """LaTeX without the dollar signs around it: "$1$, $2$" is "1, 2"; a dollar that is money stays."""
    return re.sub(r"(?<!\\)\$", "", text).strip() if len(re.findall(r"(?<!\\)\$", text)) % 2 == 0 else text

"""The data sets that are known by name: one row each, with the reader of its rows.

Folder names, file names and fields are those of the original releases; hub copies have the same fields. Data sets are
not shipped: several may not be redistributed.
"""

from collections.abc import Callable
from fractions import Fraction

from rlvr_bench.tasks.datasets.data_set import DataSet, Part, PartName
from rlvr_bench.tasks.datasets.rows import Row
from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.hash_split import TRAINING_SET
from rlvr_bench.tasks.problem import Problem
from rlvr_bench.tasks.verifiers.exact import ExactVerifier
from rlvr_bench.tasks.verifiers.latex import LatexVerifier
from rlvr_bench.tasks.verifiers.numerals import parse_number

_END_WITH_NUMBER = '\nReason step by step and end with "#### " and the number.'
_END_WITH_LETTER = '\nReason step by step and end with "#### " and the letter of the right option.'
_END_WITH_BOX = "\nPlease reason step by step, and put your final answer within \\boxed{}."


def _number(row: Row, text: str) -> str:
    if parse_number(text) is None:
        raise TaskError(f"{row.where}: the answer {text[:60]!r} is not a number: correct or delete it.")
    return text


def _gsm8k(row: Row) -> Problem:
    steps, mark, answer = row.text("answer").rpartition("####")
    if not mark:
        raise TaskError(f"{row.where}: the field 'answer' has no line \"#### N\": correct or delete it.")
    return Problem(row.text("question"), _number(row, answer.strip()), "gsm8k", extra={"solution": steps.strip()})


def _svamp(row: Row) -> Problem:
    question = f"{row.text('Body').rstrip(' .')}. {row.text('Question')}"
    return Problem(question, _number(row, row.text("Answer")), "svamp", extra={"type": row.fields.get("Type")})


def _aqua(row: Row) -> Problem:
    options, letter = row.fields.get("options"), row.text("correct")
    if not isinstance(options, list) or letter not in [str(option)[:1] for option in options]:
        raise TaskError(f"{row.where}: no option begins with the right letter {letter!r}: correct or delete it.")
    return Problem("\n".join([row.text("question"), *map(str, options)]), letter, "aqua")


def _plain(family: str, question: str, answer: str, numeric: bool = True) -> Callable[[Row], Problem]:
    def read(row: Row) -> Problem:
        level = row.fields.get("level")
        text = row.text(answer)
        return Problem(
            row.text(question), _number(row, text) if numeric else text, family, level if isinstance(level, int) else 0
        )

    return read


def _test_only(hub_split: str) -> dict[PartName, Part]:
    return {"test": Part("test.jsonl", hub_split)}


_ROWS: tuple[DataSet, ...] = (
    DataSet(
        name="gsm8k",
        description="grade-school word problems, integers (Cobbe et al. 2021)",
        hub_id="openai/gsm8k",
        hub_config="main",
        parts={"train": Part("train.jsonl", "train"), "test": Part("test.jsonl", "test")},
        problem=_gsm8k,
        verifier=ExactVerifier(),
        instruction=_END_WITH_NUMBER,
    ),
    DataSet(
        name="svamp",
        description="one-step word problems with varied wording, split by hash (Patel et al. 2021)",
        hub_id="ChilleD/SVAMP",
        parts={"all": Part("SVAMP.json", "train+test")},
        problem=_svamp,
        verifier=ExactVerifier(),
        instruction=_END_WITH_NUMBER,
    ),
    DataSet(
        name="gsm_hard",
        description="GSM8K test problems with large numbers, noisy (Gao et al. 2022); test only",
        hub_id="reasoning-machines/gsm-hard",
        parts={"test": Part("gsmhardv2.jsonl", "train")},
        problem=_plain("gsm_hard", "input", "target"),
        verifier=ExactVerifier(tolerance=Fraction(1, 1000)),  # the authors' own: targets are rounded floats
        instruction=_END_WITH_NUMBER,
    ),
    DataSet(
        name="aqua",
        description="algebra with five options, answers are letters (Ling et al. 2017); no train part",
        hub_id="deepmind/aqua_rat",
        hub_config="raw",
        parts={"validation": Part("dev.json", "validation"), "test": Part("test.json", "test")},
        problem=_aqua,
        verifier=ExactVerifier(order=("hash", "boxed", "phrase")),
        instruction=_END_WITH_LETTER,
    ),
    DataSet(
        name="math500",
        description="500 competition problems, LaTeX answers, levels 1-5 (Lightman et al. 2023); test only",
        hub_id="HuggingFaceH4/MATH-500",
        parts=_test_only("test"),
        problem=_plain("math500", "problem", "answer", numeric=False),
        verifier=LatexVerifier(),
        instruction=_END_WITH_BOX,
    ),
    DataSet(
        name="aime24",
        description="AIME 2024, 30 problems, integers 0-999; test only",
        hub_id="HuggingFaceH4/aime_2024",
        parts=_test_only("train"),
        problem=_plain("aime24", "problem", "answer"),
        verifier=ExactVerifier(),
        instruction=_END_WITH_BOX,
    ),
    DataSet(
        name="aime25",
        description="AIME 2025, 30 problems, integers 0-999; test only",
        hub_id="math-ai/aime25",
        parts=_test_only("test"),
        problem=_plain("aime25", "problem", "answer"),
        verifier=ExactVerifier(),
        instruction=_END_WITH_BOX,
    ),
    DataSet(
        name="amc23",
        description="AMC 2023, 40 problems, numbers; test only",
        hub_id="math-ai/amc23",
        parts=_test_only("test"),
        problem=_plain("amc23", "question", "answer"),
        verifier=ExactVerifier(),
        instruction=_END_WITH_BOX,
    ),
    DataSet(
        name="deepscaler",
        description="40,000 competition problems to train on, LaTeX, split by hash 90:5:5 (Luo et al. 2025); MIT",
        hub_id="agentica-org/DeepScaleR-Preview-Dataset",
        parts={"all": Part("deepscaler.json", "train")},
        shares=TRAINING_SET,
        problem=_plain("deepscaler", "problem", "answer", numeric=False),
        verifier=LatexVerifier(),
        instruction=_END_WITH_BOX,
    ),
    DataSet(
        name="dapo17k",
        description="17,400 problems to train on, integers, split by hash 90:5:5 (DAPO, Yu et al. 2025); Apache-2.0",
        hub_id="open-r1/DAPO-Math-17k-Processed",
        hub_config="all",
        parts={"all": Part("train.jsonl", "train")},
        shares=TRAINING_SET,
        problem=_plain("dapo17k", "prompt", "solution", numeric=False),
        verifier=LatexVerifier(),
        instruction=_END_WITH_BOX,
    ),
    DataSet(
        name="deepmath",
        description="103,000 hard problems to train on, LaTeX answers, split by hash 90:5:5 (He et al. 2025); MIT",
        hub_id="zwhe99/DeepMath-103K",
        parts={"all": Part("train.jsonl", "train")},
        shares=TRAINING_SET,
        problem=_plain("deepmath", "question", "final_answer", numeric=False),
        verifier=LatexVerifier(),
        instruction=_END_WITH_BOX,
    ),
)
DATA_SETS: dict[str, DataSet] = {row.name: row for row in _ROWS}

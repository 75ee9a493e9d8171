"""The data sets that are known by name: one row each. How their rows are read is described in `readers`.

Folder names, file names and fields are those of the original releases; hub copies have the same fields. Data sets are
not shipped: several may not be redistributed.
"""

from fractions import Fraction

from rlvr_bench.tasks.datasets import readers
from rlvr_bench.tasks.datasets.data_set import DataSet, FileKey, SplitFile
from rlvr_bench.tasks.hash_split import TRAINING_SET
from rlvr_bench.tasks.verifiers.exact import ExactVerifier
from rlvr_bench.tasks.verifiers.latex import LatexVerifier

_END_WITH_NUMBER = '\nReason step by step and end with "#### " and the number.'
_END_WITH_LETTER = '\nReason step by step and end with "#### " and the letter of the right option.'
_END_WITH_BOX = "\nPlease reason step by step, and put your final answer within \\boxed{}."


def _test_only(hub_split: str) -> dict[FileKey, SplitFile]:
    return {"test": SplitFile("test.jsonl", hub_split)}


_ROWS: tuple[DataSet, ...] = (
    DataSet(
        name="gsm8k",
        description="grade-school word problems, integers (Cobbe et al. 2021)",
        hub_id="openai/gsm8k",
        hub_config="main",
        files={"train": SplitFile("train.jsonl", "train"), "test": SplitFile("test.jsonl", "test")},
        fields=("question", "answer"),
        problem=readers.gsm8k,
        verifier=ExactVerifier(),
        instruction=_END_WITH_NUMBER,
    ),
    DataSet(
        name="svamp",
        description="one-step word problems with varied wording, split by hash (Patel et al. 2021)",
        hub_id="ChilleD/SVAMP",
        files={"all": SplitFile("SVAMP.json", "train+test")},
        fields=("Body", "Question", "Answer"),
        problem=readers.svamp,
        verifier=ExactVerifier(),
        instruction=_END_WITH_NUMBER,
    ),
    DataSet(
        name="gsm_hard",
        description="GSM8K test problems with large numbers, noisy (Gao et al. 2022); test only",
        hub_id="reasoning-machines/gsm-hard",
        files={"test": SplitFile("gsmhardv2.jsonl", "train")},
        fields=("input", "target"),
        problem=readers.plain("gsm_hard", "input", "target"),
        verifier=ExactVerifier(tolerance=Fraction(1, 1000)),  # the authors' own: targets are rounded floats
        instruction=_END_WITH_NUMBER,
    ),
    DataSet(
        name="aqua",
        description="algebra with five options, answers are letters (Ling et al. 2017); no train part",
        hub_id="deepmind/aqua_rat",
        hub_config="raw",
        files={"validation": SplitFile("dev.json", "validation"), "test": SplitFile("test.json", "test")},
        fields=("question", "options", "correct"),
        problem=readers.aqua,
        verifier=ExactVerifier(),
        instruction=_END_WITH_LETTER,
    ),
    DataSet(
        name="math500",
        description="500 competition problems, LaTeX answers, levels 1-5 (Lightman et al. 2023); test only",
        hub_id="HuggingFaceH4/MATH-500",
        files=_test_only("test"),
        fields=("problem", "answer"),
        problem=readers.plain("math500", "problem", "answer", numeric=False),
        verifier=LatexVerifier(),
        instruction=_END_WITH_BOX,
    ),
    DataSet(
        name="aime24",
        description="AIME 2024, 30 problems, integers 0-999; test only",
        hub_id="HuggingFaceH4/aime_2024",
        files=_test_only("train"),
        fields=("problem", "answer"),
        problem=readers.plain("aime24", "problem", "answer"),
        verifier=ExactVerifier(),
        instruction=_END_WITH_BOX,
    ),
    DataSet(
        name="aime25",
        description="AIME 2025, 30 problems, integers 0-999; test only",
        hub_id="math-ai/aime25",
        files=_test_only("test"),
        fields=("problem", "answer"),
        problem=readers.plain("aime25", "problem", "answer"),
        verifier=ExactVerifier(),
        instruction=_END_WITH_BOX,
    ),
    DataSet(
        name="amc23",
        description="AMC 2023, 40 problems, numbers; test only",
        hub_id="math-ai/amc23",
        files=_test_only("test"),
        fields=("question", "answer"),
        problem=readers.plain("amc23", "question", "answer"),
        verifier=ExactVerifier(),
        instruction=_END_WITH_BOX,
    ),
    DataSet(
        name="deepscaler",
        description="40,000 competition problems to train on, LaTeX, split by hash 90:5:5 (Luo et al. 2025); MIT",
        hub_id="agentica-org/DeepScaleR-Preview-Dataset",
        files={"all": SplitFile("deepscaler.json", "train")},
        shares=TRAINING_SET,
        fields=("problem", "answer"),
        problem=readers.plain("deepscaler", "problem", "answer", numeric=False),
        verifier=LatexVerifier(),
        instruction=_END_WITH_BOX,
    ),
    DataSet(
        name="dapo17k",
        description="17,400 problems to train on, integers, split by hash 90:5:5 (DAPO, Yu et al. 2025); Apache-2.0",
        hub_id="open-r1/DAPO-Math-17k-Processed",
        hub_config="all",
        files={"all": SplitFile("train.jsonl", "train")},
        shares=TRAINING_SET,
        fields=("prompt", "solution"),
        problem=readers.plain("dapo17k", "prompt", "solution", numeric=False),
        verifier=LatexVerifier(),
        instruction=_END_WITH_BOX,
    ),
    DataSet(
        name="deepmath",
        description="103,000 hard problems to train on, LaTeX answers, split by hash 90:5:5 (He et al. 2025); MIT",
        hub_id="zwhe99/DeepMath-103K",
        files={"all": SplitFile("train.jsonl", "train")},
        shares=TRAINING_SET,
        fields=("question", "final_answer"),
        problem=readers.plain("deepmath", "question", "final_answer", numeric=False),
        verifier=LatexVerifier(),
        instruction=_END_WITH_BOX,
    ),
    DataSet(
        name="math",
        description="competition problems, LaTeX answers, levels 1-5 (Hendrycks et al. 2021); test holds math500",
        hub_id="DigitalLearningGmbH/MATH-lighteval",
        files={"train": SplitFile("train.jsonl", "train"), "test": SplitFile("test.jsonl", "test")},
        fields=("problem", "solution"),
        problem=readers.math,
        verifier=LatexVerifier(),
        instruction=_END_WITH_BOX,
    ),
    DataSet(
        name="minerva",
        description="272 university problems in the sciences, LaTeX answers (Lewkowycz et al. 2022); test only",
        hub_id="math-ai/minervamath",
        files=_test_only("test"),
        fields=("question or problem", "answer or solution"),
        problem=readers.minerva,
        verifier=LatexVerifier(),
        instruction=_END_WITH_BOX,
    ),
    DataSet(
        name="olympiadbench",
        description="674 olympiad problems in English without pictures, LaTeX answers (He et al. 2024); test only",
        hub_id="Hothan/OlympiadBench",
        hub_config="OE_TO_maths_en_COMP",
        files={"test": SplitFile("OE_TO_maths_en_COMP.json", "train", also=("test.jsonl",))},
        fields=("question", "final_answer"),
        problem=readers.olympiadbench,
        verifier=LatexVerifier(),
        instruction=_END_WITH_BOX,
    ),
    DataSet(
        name="college_math",
        description="2,818 problems of college textbooks, LaTeX answers (Tang et al. 2024); test only",
        hub_id="di-zhang-fdu/College_Math_Test",
        files={"test": SplitFile("test.jsonl", "test", also=("college-math-test.jsonl",))},
        fields=("question", "answer"),
        problem=readers.college_math,
        verifier=LatexVerifier(),
        instruction=_END_WITH_BOX,
    ),
    DataSet(
        name="asdiv",
        description="2,305 word problems of primary school, split by hash (Miao et al. 2020); CC BY-NC",
        hub_id="EleutherAI/asdiv",
        hub_config="asdiv",
        files={"all": SplitFile("asdiv.jsonl", "validation", also=("validation.jsonl", "test.jsonl"))},
        fields=("body", "question", "answer"),
        problem=readers.asdiv,
        verifier=ExactVerifier(),
        instruction=_END_WITH_NUMBER,
    ),
)
DATA_SETS: dict[str, DataSet] = {row.name: row for row in _ROWS}

"""lm-eval's tasks in an experiment file, a table each."""

from pathlib import Path

import pytest

from rlvr_bench.experiment.changes import Changes
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.experiment import load
from rlvr_bench.experiment.grid import cells
from rlvr_bench.experiment.origins import resolved_values

BEGINNING = """
name = "mine"
seeds = [0]
bases = ["organism-steps"]
[task]
name = "chain"
levels = [4]
[methods.lora]
learning_rate = 1e-3
[evaluate]
samples = 0
"""


def written(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(BEGINNING + text, encoding="utf-8")
    return str(path)


def test_tables_of_tasks_are_the_measurement(tmp_path: Path) -> None:
    tables = [f'[[evaluate.lm_eval]]\nname = "{task}"\nlimit = 8\n' for task in ("gsm8k_cot", "arithmetic_1dc")]
    one = load(written(tmp_path, "".join(tables)))
    other = load(written(tmp_path, '[measurements.lm_eval]\ntasks = ["gsm8k_cot", "arithmetic_1dc"]\nlimit = 8\n'))
    assert one.measurements["lm_eval"] == {"tasks": ["gsm8k_cot", "arithmetic_1dc"], "limit": 8}
    assert one.evaluate.samples == 0
    assert [cell.id for cell in cells(one)] == [cell.id for cell in cells(other)]


def test_a_value_of_a_table_comes_from_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, '[[evaluate.lm_eval]]\nname = "gsm8k_cot"\n')
    [scored] = [each for each in resolved_values(path, Changes()) if each.key == "measurements.lm_eval"]
    assert scored.origin == "experiment file"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[[evaluate.lm_eval]]\nlimit = 8\n", "without a name"),
        ('[evaluate.lm_eval]\nname = "gsm8k_cot"\n', "without a name"),
        (
            '[[evaluate.lm_eval]]\nname = "gsm8k_cot"\nlimit = 8\n[[evaluate.lm_eval]]\nname = "gsm8k"\n',
            "differ in more than their names",
        ),
        (
            '[[evaluate.lm_eval]]\nname = "gsm8k"\n[measurements.lm_eval]\ntasks = ["gsm8k"]\n',
            "both given; keep one",
        ),
        ('[[evaluate.lm_eval]]\nname = "gsm8k"\nlimits = 8\n', "limits"),
    ],
)
def test_what_no_measurement_can_be_made_of_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ExperimentError, match=sentence):
        load(written(tmp_path, text))

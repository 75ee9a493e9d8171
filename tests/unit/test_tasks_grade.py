"""Verdicts on completions that somebody has: in Python, in files of one's own, in lm-eval's samples."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import rlvr_bench
from rlvr_bench.cli.main import app
from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.grade import grade_file


def _lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def _invoke(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["tasks", "grade", *words])
    return done.exit_code, done.stdout


def test_lists_are_graded_by_a_task_or_a_verifier() -> None:
    completions = ["#### 18", "#### 17", "no idea", "#### 2"]
    golds = [18, "17.5", "so 3\n#### 3", 2]
    verdicts = rlvr_bench.grade(completions, golds, task="gsm8k", truncated=[False, False, False, True])
    assert [verdict.reason for verdict in verdicts] == ["correct", "wrong", "unparsed", "truncated"]
    (latex,) = rlvr_bench.grade([r"\boxed{\frac{2}{4}}"], [r"\frac12"], verifier="latex")
    assert latex.correct
    strict = rlvr_bench.grade([r"\boxed{5}"], [5], task={"name": "gsm8k", "marker": "required"})
    assert not strict[0].correct


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"answers": [1, 2], "task": "gsm8k"}, "1 completions, 2 answers"),
        ({"answers": [1]}, "give one of the two"),
        ({"answers": [1], "task": "gsm8k", "verifier": "exact"}, "give one of the two"),
        ({"answers": [1], "verifier": "exactly"}, "Unknown verifier 'exactly'"),
        ({"answers": [1], "task": "gsm9k"}, "gsm8k"),
    ],
)
def test_what_cannot_be_graded_is_one_sentence(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(TaskError, match=sentence):
        rlvr_bench.grade(["#### 1"], **arguments)


def test_the_package_imports_nothing_heavy_before_it_is_asked() -> None:
    code = (
        "import sys, rlvr_bench; heavy = {'torch', 'numpy', 'pydantic', 'pyarrow', 'transformers'}; "
        "print(sorted(heavy & set(sys.modules))); print(rlvr_bench.grade(['#### 1'], [1], task='gsm8k')[0].correct)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "True"]
    with pytest.raises(AttributeError, match="no attribute 'grades'"):
        _ = rlvr_bench.grades


def test_a_bad_row_costs_only_itself(tmp_path: Path) -> None:
    file = _lines(
        tmp_path / "mine.jsonl",
        [
            {"response": "#### 4", "answer": 4},
            "{broken",
            {"response": "#### 5", "answer": 4},
            {"response": None, "answer": 4},
            {"response": "#### 2", "answer": 2, "finish_reason": "length"},
            {"response": "#### 2"},
        ],
    )
    code, printed = _invoke("gsm8k", str(file), "--json")
    document = json.loads(printed)
    assert code == 1
    assert [row["reason"] for row in document["verdicts"]] == ["correct", "wrong", "truncated"]
    assert [sentence.split(": ")[0].split(" has ")[0].split(" is ")[0] for sentence in document["bad"]] == [
        f"{file} line {number}" for number in (2, 4, 6)
    ]
    assert document["summary"]["bad_rows"] == 3 and document["summary"]["correct"] == pytest.approx(1 / 3)
    code, printed = _invoke("gsm8k", str(file))
    assert code == 1 and "3 completions" in printed and "3 bad rows" in printed and "2 not accepted" in printed


def test_lm_evals_samples_are_read_once_for_each_problem(tmp_path: Path) -> None:
    rows = [
        {
            "doc_id": place,
            "doc": {"question": "?", "answer": f"thus\n#### {place}"},
            "target": f"thus\n#### {place}",
            "resps": [[f"It is {place}.\n#### {place + (place == 2)}"]],
            "filtered_resps": [str(place)],
            "filter": name,
            "exact_match": float(place != 1),
        }
        for name in ("strict-match", "flexible-extract")
        for place in range(4)
    ]
    file = _lines(tmp_path / "samples_gsm8k_2026.jsonl", rows)
    code, printed = _invoke("gsm8k", str(file), "--against", "exact_match", "--json")
    document = json.loads(printed)
    assert code == 0 and document["summary"]["completions"] == 4 and document["summary"]["passed_over"] == 4
    assert document["confusion"][:2] == [
        {"verdict": "correct", "label right": 2, "label wrong": 1},
        {"verdict": "wrong", "label right": 1, "label wrong": 0},
    ]
    nested = grade_file(file, "gsm8k", answer_field="doc.answer")
    assert [one.verdict.correct for one in nested.graded] == [True, True, False, True]
    _, table = _invoke("gsm8k", str(file), "--against", "exact_match")
    assert "2 verdicts differ from exact_match" in table


def test_parquet_messages_and_several_completions(tmp_path: Path) -> None:
    file = tmp_path / "mine.parquet"
    messages = [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "#### 2"}]
    pq.write_table(pa.Table.from_pylist([{"chat": messages, "many": ["#### 2", "#### 3"], "gold": "2"}]), file)
    report = grade_file(file, "gsm8k", completion_field="chat")
    assert [one.verdict.correct for one in report.graded] == [True]
    report = grade_file(file, "gsm8k", completion_field="many")
    assert [one.verdict.correct for one in report.graded] == [True, False]


def test_a_label_that_is_none_is_a_bad_row(tmp_path: Path) -> None:
    file = _lines(
        tmp_path / "mine.jsonl", [{"completion": "#### 2", "answer": 2, "right": value} for value in (1, "?")]
    )
    report = grade_file(file, "gsm8k", against="right")
    assert len(report.graded) == len(report.bad) == 1 and "not true or false" in report.bad[0]


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="holds no rows"):
        grade_file(_lines(tmp_path / "empty.jsonl", []), "gsm8k")

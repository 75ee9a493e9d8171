"""Tables by any separator, and folders with a file for each split."""

import json
from pathlib import Path

import pytest

from rlvr_bench.tasks.datasets.files import read_rows
from rlvr_bench.tasks.datasets.rows import Row
from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.registry import create


def _rows(count: int = 12) -> list[dict[str, str]]:
    return [{"question": f"{number} + 1?", "answer": str(number + 1)} for number in range(count)]


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\nquestion;answer\n",
        'question;answer;"note, more"\n',
        "question\tanswer\n",
        "question|answer\n",
        " question , answer\n",
        "question,answer,,\n",
    ],
)
def test_tables_by_any_separator(text: str, tmp_path: Path) -> None:
    header = text.splitlines()[-1]
    separator = max(";\t|,", key=header.count)
    rest = separator * (header.count(separator) - 1)
    path = tmp_path / "rows.csv"
    path.write_text(text + "".join(f"{row['question']}{separator}{row['answer']}{rest}\n" for row in _rows()))
    rows = list(read_rows(path))
    assert [row.fields["answer"] for row in rows if isinstance(row, Row)] == [row["answer"] for row in _rows()]
    first = rows[0]
    assert isinstance(first, Row) and first.where.endswith(f"line {text.count(chr(10)) + 1}")


def test_old_line_ends_get_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("question,answer\r1 + 1?,2\r")
    with pytest.raises(TaskError, match="is not CSV"):
        list(read_rows(path))


@pytest.mark.parametrize(
    "names",
    [
        ("train.jsonl", "test.jsonl"),
        ("data/train-00000-of-00001.jsonl", "data/test-00000-of-00001.jsonl"),
        ("gsm_train.jsonl", "gsm_test.jsonl"),
    ],
)
def test_a_folder_has_a_file_for_each_split(names: tuple[str, str], tmp_path: Path) -> None:
    for name, part in zip(names, (_rows(40)[:30], _rows(40)[30:]), strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in part))
    task = create({"name": "jsonl", "path": str(tmp_path)})
    assert len(task.problems("train")) + len(task.problems("validation")) == 30
    assert {problem.answer for problem in task.problems("test")} == {str(number) for number in range(31, 41)}


def test_a_folder_without_splits_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(_rows()[0]))
    with pytest.raises(TaskError, match="no file named train, validation or test"):
        create({"name": "jsonl", "path": str(tmp_path)})
    for name in ("train.jsonl", "train.csv"):
        (tmp_path / name).write_text("")
    with pytest.raises(TaskError, match=r"train as \.csv and as \.jsonl"):
        create({"name": "jsonl", "path": str(tmp_path)})

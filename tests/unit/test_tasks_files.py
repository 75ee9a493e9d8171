"""Files of the shapes that people have: they load, or one sentence says which line does not do and why."""

import csv
import gzip
import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr_bench.tasks import registry
from rlvr_bench.tasks.check import check
from rlvr_bench.tasks.datasets.data_task import JsonlSettings
from rlvr_bench.tasks.datasets.final_answer import boxes, final_answer, without_marks
from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.settings import TaskSettings

COUNT = 40
Shape = tuple[str, Callable[[Path], None], dict[str, Any]]


def json_lines(row: Callable[[int], dict[str, Any]]) -> Callable[[Path], None]:
    return lambda path: _write(path, "\n".join(json.dumps(row(number)) for number in range(COUNT)))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _table(path: Path, rows: Iterable[list[Any]], separator: str = ",") -> None:
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file, delimiter=separator).writerows(rows)


def _packed(path: Path) -> None:
    path.write_bytes(gzip.compress("\n".join(json.dumps(_plain(number)) for number in range(COUNT)).encode()))


def _plain(number: int) -> dict[str, Any]:
    return {"question": f"{number}, and\n1?", "answer": number + 1}


def _chat(number: int) -> dict[str, Any]:
    """As verl writes it: chat messages, and the answer inside of another field."""
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"{number}, and\n1?"}]
    return {"prompt": messages, "reward_model": {"style": "rule", "ground_truth": str(number + 1)}}


def _turns(number: int) -> dict[str, Any]:
    """As ShareGPT has it, with the answer in what the assistant says."""
    first = [{"from": "human", "value": "Hello"}, {"from": "gpt", "value": r"Hi, \boxed{0}"}]
    last = {"from": "gpt", "value": f"It is $\\boxed{{{number + 1}}}$."}
    return {"conversations": [*first, {"from": "human", "value": f"{number}, and\n1?"}, last]}


SHAPES: dict[str, Shape] = {
    "gsm8k": (
        "train.jsonl",
        json_lines(lambda n: {"question": f"{n}, and\n1?", "answer": f"{n}+1=<<{n}+1={n + 1}>>\n#### {n + 1}"}),
        {},
    ),
    "solution only": (
        "math.jsonl",
        json_lines(
            lambda n: {
                "problem": f"{n}, and\n1?",
                "solution": f"#### Step 1\nAdd \\boxed{{9}}. So $\\boxed{{{n + 1}}}$.",
            }
        ),
        {"question": "problem", "answer": "solution"},
    ),
    "json list": ("data.json", lambda path: _write(path, json.dumps([_plain(n) for n in range(COUNT)], indent=2)), {}),
    "json object": (
        "data.json",
        lambda path: _write(path, json.dumps({"version": "1.0", "data": [_plain(n) for n in range(COUNT)]})),
        {},
    ),
    "json lines in .json": ("data.json", json_lines(_plain), {}),
    "csv": (
        "data.csv",
        lambda path: _table(path, [["id", "question", "answer"], *([n, f"{n}, and\n1?", n + 1] for n in range(COUNT))]),
        {},
    ),
    "csv with semicolons": (
        "data.csv",
        lambda path: _table(path, [["question", "answer"], *([f"{n}, and\n1?", n + 1] for n in range(COUNT))], ";"),
        {},
    ),
    "tsv": (
        "data.tsv",
        lambda path: _table(path, [["question", "answer"], *([f"{n}, and\n1?", n + 1] for n in range(COUNT))], "\t"),
        {},
    ),
    "parquet": (
        "data.parquet",
        lambda path: pyarrow.parquet.write_table(pyarrow.Table.from_pylist([_plain(n) for n in range(COUNT)]), path),
        {},
    ),
    "parquet of verl": (
        "data.parquet",
        lambda path: pyarrow.parquet.write_table(pyarrow.Table.from_pylist([_chat(n) for n in range(COUNT)]), path),
        {"question": "prompt", "answer": "reward_model.ground_truth"},
    ),
    "chat": ("chat.jsonl", json_lines(_turns), {"question": "conversations", "answer": "conversations"}),
    "nested": (
        "nested.jsonl",
        json_lines(lambda n: {"extra": {"problem": f"{n}, and\n1?"}, "choices": [{"text": f"{n + 1}"}]}),
        {"question": "extra.problem", "answer": "choices.0.text"},
    ),
    "json inside of csv": (
        "data.csv",
        lambda path: _table(
            path,
            [
                ["prompt", "verification_info"],
                *([f"{n}, and\n1?", json.dumps({"ground_truth": n + 1})] for n in range(COUNT)),
            ],
        ),
        {"question": "prompt", "answer": "verification_info.ground_truth"},
    ),
    "two fields": (
        "two.jsonl",
        json_lines(lambda n: {"Body": f"{n}, and", "Question": "1?", "Note": None, "Answer": float(n + 1)}),
        {"question": ["Body", "Note", "Question"], "answer": "Answer"},
    ),
    "lines of options": (
        "options.jsonl",
        json_lines(lambda n: {"question": {"stem": f"{n}, and"}, "options": ["1?"], "answer": f"{n + 1}"}),
        {"question": ["question.stem", "options"]},
    ),
    "list of one": (
        "list.jsonl",
        json_lines(lambda n: {"question": f"{n}, and\n1?", "final_answer": [f"{n + 1}"]}),
        {"answer": "final_answer"},
    ),
    "JSON text of a list": (
        "listed.jsonl",
        json_lines(lambda n: {"question": f"{n}, and\n1?", "answer": json.dumps([f"{n + 1}"])}),
        {},
    ),
    "MetaMathQA": (
        "meta.jsonl",
        json_lines(
            lambda n: {
                "query": f"{n}, and\n1?",
                "response": f"Adding gives {n + 1}.\n#### {n + 1}\nThe answer is: {n + 1}",
                "type": "GSM_Rephrased",
            }
        ),
        {"question": "query", "answer": "response"},
    ),
    "PRM800K": (
        "prm.jsonl",
        json_lines(
            lambda n: {
                "labeler": "a",
                "question": {
                    "problem": f"{n}, and\n1?",
                    "ground_truth_answer": f"{n + 1}",
                    "pre_generated_answer": "x",
                },
            }
        ),
        {"question": "question.problem", "answer": "question.ground_truth_answer"},
    ),
    "DAPO": (
        "dapo.jsonl",
        json_lines(
            lambda n: {
                "prompt": [{"role": "user", "content": f"{n}, and\n1?"}],
                "reward_model": {"ground_truth": f"{n + 1}", "style": "rule"},
            }
        ),
        {"question": "prompt", "answer": "reward_model.ground_truth"},
    ),
    "a sentence at the end": (
        "alpaca.jsonl",
        json_lines(lambda n: {"question": f"{n}, and\n1?", "answer": f"We add 1. So the answer is {n + 1}."}),
        {},
    ),
    "gz": ("data.jsonl.gz", _packed, {}),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_problems(shape: str, tmp_path: Path) -> None:
    file, write, settings = SHAPES[shape]
    write(tmp_path / file)
    task = registry.create({"name": "jsonl", "path": str(tmp_path / file), "split": "test", **settings})
    found = {problem.question: problem.answer for problem in task.problems("test")}
    assert {question: float(answer) for question, answer in found.items()} == {
        f"{n}, and\n1?": n + 1.0 for n in range(COUNT)
    }
    assert all(problem.where.startswith(str(tmp_path / file)) for problem in task.problems("test"))
    assert check(task).passed


@pytest.mark.parametrize(
    ("file", "content", "settings", "sentence"),
    [
        (
            "a.jsonl",
            '{"q": "1?", "answer": 1}',
            {},
            r"line 1 has no field 'question' \(it has q, answer\): add",
        ),
        (
            "a.jsonl",
            '{"question": {"en": "1?"}, "answer": 1}',
            {},
            r"field 'question' is \"\{'en': '1\?'\}\", not",
        ),
        ("a.jsonl", '{"question": "1?", "answer": []}', {}, r"line 1: field 'answer' is '\[\]', not a list of answers"),
        ("a.jsonl", '{"question": "1?", "answer": ["1", {}]}', {}, "not a list of answers: correct it"),
        ("a.jsonl", '{"question": "1?", "answer": NaN}', {}, "field 'answer' is 'nan', not a text or a number"),
        (
            "a.jsonl",
            '{"question": "1?", "answer": {"a": 1}}',
            {},
            "field 'answer' is \"{'a': 1}\", not a text or a number",
        ),
        (
            "a.jsonl",
            '{"question": [{"role": "system", "content": "x"}], "answer": 1}',
            {},
            "hold no text of human or user",
        ),
        (
            "a.jsonl",
            '{"question": [{"role": "user", "content": [{"type": "image"}]}], "answer": 1}',
            {},
            "hold no text of human or user: correct or delete it",
        ),
        ("a.jsonl", '{"question": "1?", "x": {}}', {"answer": "x.y"}, r"has no field 'x.y' \(it has question, x\)"),
        ("a.jsonl", "[" * 100_000, {}, "a.jsonl is JSON that is too deep or has too long a number: repair it"),
        ("a.jsonl", '{"a": ' * 100_000, {}, "line 1 is JSON that is too deep or has too long a number: repair or"),
        ("a.jsonl", '{"question": "1?", "answer": ' + "9" * 5000 + "}", {}, "line 1 is JSON that is too deep or has"),
        ("a.jsonl", r'{"question": "1?", "answer": "\ud800"}', {}, "line 1: field 'answer' is .*, not a text"),
        ("a.csv", '"1\n?",1\n2?,2\n', {}, r"a.csv line 2 has"),
        (
            "a.json",
            '{"train": [{"a": 1}], "test": [{"a": 2}]}',
            {},
            r"holds several lists \(train, test\): save",
        ),
        ("a.csv", "question,answer\n1?,1,2\n", {}, "a.csv line 2 has 3 cells, but the header 2: repair or delete it"),
        ("a.csv", "question,question\n1?,1\n", {}, "a.csv line 1 names the column 'question' twice: rename one"),
        ("a.csv", b"question,answer\n\xff?,1\n", {}, "a.csv line 2 is not UTF-8: save the file as UTF-8"),
        ("a.csv", "1?,1\n2?,2\n", {}, r"a.csv line 2 has no field 'question' \(it has 1\?, 1\)"),
        ("a.parquet", "PAR1 but no more", {}, "a.parquet is not parquet that can be read"),
        ("a.jsonl.gz", "not packed", {}, r"a.jsonl.gz is not a whole .gz file \(.*\): fetch it again"),
        ("a.jsonl.gz", gzip.compress(b'{"question": "1?"}' * 99, mtime=0)[:-9], {}, r"is not a whole .gz file"),
        (
            "a.xlsx",
            b"PK\x03\x04",
            {},
            "a.xlsx is a .xlsx file, which is not read: save it as JSON lines, ",
        ),
        ("a.pkl", b"\x80\x04N.", {}, "a.pkl is a .pkl file, which is not read"),
        (
            "a.jsonl",
            '{"question": "1?", "answer": "Anna has one pen. She gets one more. Therefore she has 2 pens."}',
            {},
            r"line 1: field 'answer' is prose without an answer at its end \(...'.*she has 2 pens.'\): end it with",
        ),
        (
            "a.jsonl",
            '{"problem": "1?", "solution": "This is shown by induction. QED"}',
            {"question": "problem", "answer": "solution"},
            "line 1: field 'solution' is prose without an answer at its end",
        ),
        ("a.jsonl", "", {}, "a.jsonl holds no problems: give a file with a question and an answer in each row"),
    ],
)
def test_what_does_not_do_is_one_sentence(
    file: str, content: str | bytes, settings: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / file
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(TaskError, match=sentence) as caught:
        registry.create({"name": "jsonl", "path": str(path), **settings}).problems("test")
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_of_any_format_is_named(tmp_path: Path) -> None:
    for file in ("a.jsonl", "a.csv", "a.parquet", "a.csv.gz"):
        with pytest.raises(TaskError, match=f"There is no file {tmp_path / file}: put it there"):
            registry.create({"name": "jsonl", "path": str(tmp_path / file)}).problems("test")


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlvr_bench.tasks.datasets.files.MAX_LINE", 100)
    (tmp_path / "a.jsonl").write_text(json.dumps({"question": "x" * 200, "answer": 1}))
    with pytest.raises(TaskError, match=r"a.jsonl line 1 is longer than 16 MiB"):
        registry.create({"name": "jsonl", "path": str(tmp_path / "a.jsonl")}).problems("test")


def test_a_file_that_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlvr_bench.tasks.datasets.files.MAX_UNPACKED", 1000)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"question,answer\n" + b"1?,1\n" * 1000))
    with pytest.raises(TaskError, match=r"is larger than 16 GiB"):
        registry.create({"name": "jsonl", "path": str(tmp_path / "a.csv.gz")}).problems("test")


def test_lines_of_csv_are_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('question,answer\n"1\n?",1\n\n,\n"2\n\n?",2\n3?\n4?,4\n5?,5\n')
    task = registry.create({"name": "jsonl", "path": str(tmp_path / "a.csv"), "split": "test"})
    where = {problem.answer: problem.where.rpartition("/")[2] for problem in task.problems("test")}
    assert where == {"1": "a.csv line 2", "2": "a.csv line 6", "4": "a.csv line 10", "5": "a.csv line 11"}
    assert any("a.csv line 9 has 1 cells, but the header 2" in fault for fault in check(task).faults())


def test_a_bad_first_line_does_not_hide_that_a_file_has_a_row_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"question": 1?}\n' + "\n".join(json.dumps(_plain(n)) for n in range(5)))
    task = registry.create({"name": "jsonl", "path": str(tmp_path / "a.json"), "split": "test"})
    assert len(task.problems("test")) == 5
    assert "1 of 6 rows were skipped, first: " in check(task).faults()[0]


def test_decimals_of_parquet_are_numbers(tmp_path: Path) -> None:
    table = pyarrow.Table.from_pylist([{"question": "1?", "answer": Decimal("1.50")}])
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    task = registry.create({"name": "jsonl", "path": str(tmp_path / "a.parquet"), "split": "test"})
    assert task.problems("test")[0].answer == "1.50"


def test_ways_to_read_a_file_add_no_key_to_the_fingerprint() -> None:
    own = set(JsonlSettings.model_fields) - set(TaskSettings.model_fields) - JsonlSettings.locations
    samples = {"train", "validation", "test", "seed", "instruction"}
    assert own == {*samples, "question", "answer", "verifier", "split"}
    settings = JsonlSettings.model_validate({"name": "jsonl", "path": "a.csv"})
    assert settings.model_dump(mode="json", include={"question", "answer"}) == {
        "question": "question",
        "answer": "answer",
    }


def test_a_list_is_one_answer_in_parts(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"question": "x?", "answer": [r"\boxed{3}", -5]}))
    settings = {"name": "jsonl", "path": str(tmp_path / "a.jsonl"), "split": "test", "verifier": "latex"}
    task = registry.create(settings)
    (problem,) = task.problems("test")
    assert problem.answer == "3, -5"
    assert task.verify(r"\boxed{-5, 3}", problem).correct and not task.verify(r"\boxed{3}", problem).correct


def test_latex_that_is_compared_as_text_is_said(tmp_path: Path) -> None:
    rows = [{"question": f"{n}?", "answer": rf"\frac{{{n}}}{{x}}" if n % 2 else n} for n in range(40)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    settings = {"name": "jsonl", "path": str(tmp_path / "a.jsonl")}
    sentence = '20 answers are LaTeX that is compared as text: set verifier = "latex"'
    assert any(sentence in note for note in check(registry.create(settings)).notes())
    assert not any("as text" in note for note in check(registry.create({**settings, "verifier": "latex"})).notes())


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("7", "7"),
        ("So it is 7.\n#### 7", "7"),
        ("So it is 7. #### 1,007\n\n", "1,007"),
        ("#### Step 1\nadd\n#### Step 2: so $\\boxed{204}$", "204"),
        ("#### Step 1\nadd, so $\\boxed{204}$.\nThat is all.", "204"),
        (r"\boxed{7}", "7"),
        (r"\boxed 7", "7"),
        (r"\fbox{7} km", "7"),
        (r"first $\boxed{3}$, then $\boxed{5}$.", "5"),
        (r"$\boxed{3}$ and $\boxed{5}$", "3, 5"),
        (r"$\boxed{1\frac{1}{2}}$ or $\boxed{\frac{3}{2}}$", r"\frac{3}{2}"),
        (r"$\boxed{\frac{1}{\sqrt{2}}}$", r"\frac{1}{\sqrt{2}}"),
        (r"$\boxed{\left\{ 1, 2 \right\}}$", r"\left\{ 1, 2 \right\}"),
        (r"$\boxed{\left\{ x \right.}$", r"\left\{ x \right."),
        (r"unclosed \boxed{7", r"unclosed \boxed{7"),
        (r"no \boxedness here", r"no \boxedness here"),
        ("We add.\n#### 7\nThe answer is: 7", "7"),
        (r"We add. The answer is: \frac{1}{2}", r"\frac{1}{2}"),
        ("The answer is not known. We stop.", "The answer is not known. We stop."),
    ],
)
def test_the_final_answer_of_a_solution(text: str, answer: str) -> None:
    assert final_answer(text) == answer


@given(st.text(alphabet="ab7 \\{}$\n#", max_size=60), st.text(alphabet="ab7+^", min_size=1, max_size=20))
def test_the_last_box_is_found_behind_any_text(before: str, inside: str) -> None:
    text = f"{before} therefore $\\boxed{{{inside}}}$."
    if not boxes(before) and "\\boxed" not in before and not before.rstrip().endswith("\\"):
        assert final_answer(text) == inside
        assert without_marks(text) == f"{before} therefore ${inside}$.".strip()


def _written(path: Path, rows: object) -> str:
    lines = rows if isinstance(rows, list) else [rows]
    path.write_text("\n".join(map(json.dumps, lines)))
    return str(path)


@pytest.mark.parametrize(
    ("row", "settings", "question", "answer"),
    [
        ({"prompt": [{"role": "user", "content": "1?"}], "reward_model": {"ground_truth": "2"}},
         {"question": "prompt", "answer": "reward_model.ground_truth"}, "1?", "2"),
        ({"problem": "1?", "answer_option_list": [[{"aoVal": "A", "content": "2"}], [{"aoVal": "B", "content": "3"}]],
          "answer_value": "A"},
         {"question": ["problem", "answer_option_list"], "answer": "answer_value"}, "1?\nA) 2\nB) 3", "A"),
        ({"question": "1?", "choices": {"text": ["2", "3"], "label": ["A", "B"]}, "answerKey": "B"},
         {"question": ["question", "choices"], "answer": "answerKey"}, "1?\nA) 2\nB) 3", "B"),
        ({"question": "1?", "options": {"A": 2, "B": 3}, "answer": "B"},
         {"question": ["question", "options"]}, "1?\nA) 2\nB) 3", "B"),
        ({"Question": "Is 1 < 2?", "Answer": True}, {"question": "Question", "answer": "Answer"}, "Is 1 < 2?", "True"),
        ({"query": "1?", "response": "It is 2.\n#### 2\nThe answer is: 2"},
         {"question": "query", "answer": "response"}, "1?", "2"),
    ],
)  # fmt: skip
def test_shapes_of_public_files(
    row: dict[str, Any], settings: dict[str, Any], question: str, answer: str, tmp_path: Path
) -> None:
    path = _written(tmp_path / "a.jsonl", row)
    (problem,) = registry.create({"name": "jsonl", "path": path, "split": "test", **settings}).problems("test")
    assert (problem.question, problem.answer) == (question, answer)


@pytest.mark.parametrize(
    "table",
    [
        {"question": ["1?", "2?"], "answer": [1, 2]},
        {"question": {"0": "1?", "1": "2?"}, "answer": {"0": 1, "1": 2}},
        {"first": {"question": "1?", "answer": 1}, "second": {"question": "2?", "answer": 2}},
    ],
)
def test_json_by_columns_and_by_keys(table: dict[str, Any], tmp_path: Path) -> None:
    path = _written(tmp_path / "a.json", table)
    problems = registry.create({"name": "jsonl", "path": path, "split": "test"}).problems("test")
    assert {(problem.question, problem.answer) for problem in problems} == {("1?", "1"), ("2?", "2")}


def test_rows_without_an_answer_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [{"question": f"{number}?", "answer": number} for number in range(40)]
    without = [None, "", "Let n be even. Then it is shown by induction that the claim holds."] * 5
    path = _written(
        tmp_path / "a.jsonl", [*rows, *({"question": f"no {n}", "answer": a} for n, a in enumerate(without))]
    )
    task = registry.create({"name": "jsonl", "path": path, "split": "test"})
    report = check(task)
    assert report.passed and report.sizes["test"] == 40
    assert any("15 of 55 rows have no answer and were left out, first: " in note for note in report.notes())


def test_floats_of_parquet_are_what_was_written(tmp_path: Path) -> None:
    table = pyarrow.table({"question": ["1?"], "answer": pyarrow.array([11.1], pyarrow.float32())})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    task = registry.create({"name": "jsonl", "path": str(tmp_path / "a.parquet"), "split": "test"})
    assert task.problems("test")[0].answer == "11.1"

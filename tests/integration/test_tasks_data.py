"""Data sets in the formats of their releases, from a folder and from the hub, and the same tasks inside lm-eval."""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import lm_eval
import pandas
import pytest
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager

from rlvr_bench.tasks import lm_eval as adapter_package
from rlvr_bench.tasks import preview, registry, solutions
from rlvr_bench.tasks.check import check
from rlvr_bench.tasks.datasets.catalog import DATA_SETS
from rlvr_bench.tasks.datasets.data_task import DataTask
from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.lm_eval.adapter import lm_eval_task
from rlvr_bench.tasks.problem import Problem, Split
from rlvr_bench.tasks.task import Task

SMALL = {"train": 12, "validation": 6, "test": 9}


def gsm8k(number: int) -> dict[str, Any]:
    return {
        "question": f"Ann has {number} apples and buys 1,000 more.  How many?",
        "answer": f"She has {number}+1000=<<{number}+1000={number + 1000}>>{number + 1000}.\n#### {number + 1000:,}",
    }


def svamp(number: int) -> dict[str, Any]:
    return {
        "ID": f"chal-{number}",
        "Body": f"Each pack costs {number + 30} dollars. There is a discount of 25 dollars",
        "Question": "How much is a pack?",
        "Equation": f"( {number + 30}.0 - 25.0 )",
        "Answer": float(number + 5),
        "Type": "Subtraction",
    }


def gsm_hard(number: int) -> dict[str, Any]:
    return {"input": f"What is a third of {number}?", "code": "def solution(): ...", "target": number / 3}


def aqua(number: int) -> dict[str, Any]:
    options = [f"{letter}){number + place}" for place, letter in enumerate("ABCDE")]
    return {"question": f"What is {number} + 2?", "options": options, "rationale": "C", "correct": "C"}


def contest(question: str, answer: str, key: str = "answer") -> Callable[[int], dict[str, Any]]:
    return lambda number: {"id": number, question: f"Find {number}.", key: answer.format(number), "level": 3}


def math(number: int) -> dict[str, Any]:
    solution = f"We divide, which gives $\\boxed{{\\frac{{{number}}}{{7}}}}$."
    return {"problem": f"Find {number} over 7.", "level": "Level 3", "type": "Algebra", "solution": solution}


def minerva(number: int) -> dict[str, Any]:
    """As in the release; the hub's copy has `question` and `answer`."""
    return {
        "problem": f"How far is {number}?",
        "solution": f"So \\[x=\\boxed{{{number}.5}} \\mathrm{{~cm}}\\]",
        "idx": 1,
    }


def olympiadbench(number: int) -> dict[str, Any]:
    answers = [f"${number}$", f"${number + 1}$"] if number % 2 else [f"$\\frac{{{number}}}{{7}}$"]
    return {"id": number, "question": f"Find {number}.", "final_answer": answers, "context": None, "solution": ["..."]}


def asdiv(number: int) -> dict[str, Any]:
    story = {"body": f"{number} red and two green apples are in the basket.", "question": "How many are there?"}
    return {**story, "solution_type": "Addition", "answer": f"{number + 2} (apples)", "formula": f"{number}+2"}


FORMATS: dict[str, tuple[Callable[[int], dict[str, Any]], dict[str, int]]] = {
    "gsm8k": (gsm8k, {"train.jsonl": 100, "test.jsonl": 20}),
    "svamp": (svamp, {"SVAMP.json": 100}),
    "gsm_hard": (gsm_hard, {"gsmhardv2.jsonl": 20}),
    "aqua": (aqua, {"dev.json": 10, "test.json": 10}),
    "math500": (contest("problem", r"\frac{{{}}}{{7}}"), {"test.jsonl": 5}),
    "aime24": (contest("problem", "{:03d}"), {"test.jsonl": 5}),
    "aime25": (contest("problem", "{}"), {"test.jsonl": 5}),
    "amc23": (contest("question", "{}.0"), {"test.jsonl": 5}),
    "deepscaler": (contest("problem", r"\frac{{{}}}{{7}}"), {"deepscaler.json": 60}),
    "dapo17k": (contest("prompt", "{}", "solution"), {"train.jsonl": 60}),
    "deepmath": (contest("question", r"\frac{{{}}}{{7}}", "final_answer"), {"train.jsonl": 60}),
    "math": (math, {"train.jsonl": 100, "test.jsonl": 20}),
    "minerva": (minerva, {"test.jsonl": 5}),
    "olympiadbench": (olympiadbench, {"OE_TO_maths_en_COMP.json": 6}),
    "college_math": (contest("question", r"$\frac{{{}}}{{7}}$"), {"test.jsonl": 5}),
    "asdiv": (asdiv, {"asdiv.jsonl": 100}),
}
LISTS = ("SVAMP.json", "OE_TO_maths_en_COMP.json")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with all sets, written as they are released; rows differ between the files of a set."""
    monkeypatch.delenv("RLVR_BENCH_DATA", raising=False)
    for name, (row, files) in FORMATS.items():
        (tmp_path / name).mkdir()
        start = 0
        for file, count in files.items():
            rows = [row(number) for number in range(start, start + count)]
            start += count
            lines = "\n".join(json.dumps(one) for one in rows)
            (tmp_path / name / file).write_text(json.dumps(rows, indent=4) if file in LISTS else lines + "\n")
    return tmp_path


def test_every_data_set_has_its_format_here() -> None:
    assert set(FORMATS) == set(DATA_SETS)


@pytest.mark.parametrize("name", FORMATS)
def test_data_sets_load_from_a_folder_and_pass_their_check(name: str, folder: Path) -> None:
    report = check(registry.create({"name": name}, folder))
    assert report.faults() == []
    assert sum(report.sizes.values()) == sum(FORMATS[name][1].values())


def test_parts_stay_official_and_validation_comes_from_train(folder: Path) -> None:
    task = registry.create({"name": "gsm8k"}, folder)
    sizes = {split: len(task.problems(split)) for split in ("train", "validation", "test")}
    assert sizes["test"] == 20 and sizes["train"] + sizes["validation"] == 100 and 2 <= sizes["validation"] <= 25
    problem = task.problems("test")[0]
    assert (
        problem.answer.startswith("1,1")
        and "<<" in problem.extra["solution"]
        and "####" not in problem.extra["solution"]
    )
    assert task.verify(f"so it is {problem.answer.replace(',', '')}", problem).correct


def test_order_of_the_file_does_not_matter(folder: Path) -> None:
    before = registry.create({"name": "svamp"}, folder).fingerprint()
    path = folder / "svamp" / "SVAMP.json"
    path.write_text(json.dumps(json.loads(path.read_text())[::-1]))
    assert registry.create({"name": "svamp"}, folder).fingerprint() == before


def test_fingerprint_follows_the_data_and_not_the_folder(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = registry.create({"name": "aime24"}, folder).fingerprint()
    moved = tmp_path_factory.mktemp("moved")
    (folder / "aime24").rename(moved / "aime24")
    assert registry.create({"name": "aime24", "data_dir": str(moved)}).fingerprint() == before
    path = moved / "aime24" / "test.jsonl"
    path.write_text(path.read_text().replace('"003"', '"004"'))
    assert registry.create({"name": "aime24"}, moved).fingerprint() != before


def test_samples_are_prefixes_of_one_random_order(folder: Path) -> None:
    def ids(**settings: int) -> list[str]:
        return [problem.id for problem in registry.create({"name": "gsm8k", **settings}, folder).problems("test")]

    assert ids(test=5) == ids(test=9)[:5] == ids()[:5]
    assert ids(test=9) != ids(test=9, seed=1)
    assert registry.create({"name": "gsm8k", "test": 0}, folder).problems("test") == []
    with pytest.raises(TaskError, match=r"'gsm8k' has 20 problems in split 'test', but 21 were asked for"):
        ids(test=21)


def test_which_folder_is_used(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path_factory.mktemp("empty")
    monkeypatch.setenv("RLVR_BENCH_DATA", str(empty))
    assert registry.create({"name": "amc23"}, folder).problems("test")
    assert registry.create({"name": "amc23", "data_dir": str(folder)}, empty).problems("test")
    with pytest.raises(TaskError, match=rf"There is no file {empty}/amc23/test.jsonl"):
        registry.create({"name": "amc23"}).problems("test")
    monkeypatch.setenv("RLVR_BENCH_DATA", str(folder))
    assert registry.create({"name": "amc23"}).problems("test")


@pytest.mark.parametrize(
    ("name", "file", "old", "new", "sentence"),
    [
        (
            "gsm8k",
            "train.jsonl",
            '{"question": "Ann has 2 ',
            '{"question": Ann has 2 ',
            r"train.jsonl line 3 is not JSON \(",
        ),
        (
            "gsm8k",
            "train.jsonl",
            "#### 1,002",
            "1,002",
            r'train.jsonl line 3: .* no line "#### N": correct or delete it',
        ),
        ("gsm8k", "train.jsonl", "#### 1,002", "#### about", r"line 3: the answer 'about' is not a number"),
        (
            "gsm8k",
            "test.jsonl",
            '"answer": "She has 101+',
            '"reply": "She has 101+',
            r"line 2 has no field 'answer' \(it has",
        ),
        ("svamp", "SVAMP.json", '"Answer": 7.0', '"Answer": null', r"record 3: field 'Answer' is 'None', not a text"),
        ("aqua", "dev.json", '"correct": "C"', '"correct": "F"', r"line 1: no option begins with the right letter 'F'"),
        ("aime24", "test.jsonl", '{"id": 1,', '[1, 2]\n{"id": 1,', r"line 2 is a list, not an object"),
    ],
)
def test_a_bad_row_costs_only_itself(folder: Path, name: str, file: str, old: str, new: str, sentence: str) -> None:
    path = folder / name / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    task = registry.create({"name": name}, folder)
    report = check(task)
    expected = sum(FORMATS[name][1].values()) - (name != "aime24")  # where a row is replaced, and not added
    assert sum(report.sizes.values()) == expected and not report.passed
    assert isinstance(task, DataTask)
    skipped = [sentence for reading in task.loaded.readings for sentence in reading.skipped]
    assert len(skipped) == 1 and re.search(sentence, skipped[0]) and str(path) in skipped[0]
    assert any("1 of " in fault and skipped[0] in fault for fault in report.faults())


def test_a_list_that_is_no_json_is_refused(folder: Path) -> None:
    path = folder / "svamp" / "SVAMP.json"
    path.write_text(path.read_text().replace('"Answer": 7.0', '"Answer": ', 1))
    with pytest.raises(TaskError, match=r"SVAMP.json line \d+ is not JSON"):
        registry.create({"name": "svamp"}, folder).problems("test")


@pytest.mark.parametrize(("bad", "refused"), [(10, False), (11, True)])
def test_too_many_bad_rows_refuse_the_file(folder: Path, bad: int, refused: bool) -> None:
    path = folder / "gsm8k" / "train.jsonl"
    path.write_text(path.read_text().replace("####", "###", bad))
    task = registry.create({"name": "gsm8k"}, folder)
    if not refused:
        assert len(task.problems("train")) + len(task.problems("validation")) == 100 - bad
        return
    with pytest.raises(TaskError, match=r"train.jsonl: 11 of 100 rows cannot be used, .* line 1: .* no line") as caught:
        task.problems("train")
    assert "\n" not in str(caught.value)


def test_a_line_that_is_not_text_is_named(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = folder / "aime24" / "test.jsonl"
    path.write_bytes(b'{"problem": "a", "answer": "1"}\n{"problem": "\xff", "answer": "1"}\n')
    assert [problem.question for problem in registry.create({"name": "aime24"}, folder).problems("test")] == ["a"]
    assert "line 2 is not UTF-8" in caplog.text


@pytest.mark.parametrize("name", ["svamp", "jsonl"])
def test_one_question_with_two_answers_is_dropped_everywhere(name: str, folder: Path, tmp_path: Path) -> None:
    path = folder / "svamp" / "SVAMP.json" if name == "svamp" else tmp_path / "own.json"
    rows = [svamp(number) for number in range(100)]
    rows += [{**rows[3], "Answer": "8"}, {**rows[4], "Answer": 999}, rows[5]]  # the same value, another, the same row
    path.write_text(json.dumps(rows))
    own = {"path": str(path), "question": ["Body", "Question"], "answer": "Answer"} if name == "jsonl" else {}
    task = registry.create({"name": name, **own}, folder)
    report = check(task)
    assert sum(report.sizes.values()) == 99 and not report.passed
    assert any(re.search(r"record 5 says '9.0', .*record 102 says '999': delete", fault) for fault in report.faults())
    assert any("2 of 103 rows were repeated and dropped" in note for note in report.notes())


def test_official_parts_may_share_a_problem_in_a_hundred(folder: Path) -> None:
    train, test = folder / "gsm8k" / "train.jsonl", folder / "gsm8k" / "test.jsonl"
    test.write_text("".join(json.dumps(gsm8k(number)) + "\n" for number in range(99, 199)))
    report = check(registry.create({"name": "gsm8k"}, folder))
    assert report.passed and report.sizes["test"] == 100 and sum(report.sizes.values()) == 199
    assert any("1 problems of one part stand in a later part too" in note for note in report.notes())
    train.write_text(train.read_text() + json.dumps(gsm8k(100)) + "\n")
    with pytest.raises(TaskError, match="2 problems stand both in train and in test"):
        registry.create({"name": "gsm8k"}, folder).problems("train")


@pytest.mark.parametrize("layout", ["csv", "parquet", "gz", "shards", "single", "list"])
def test_known_sets_in_other_formats(layout: str, folder: Path) -> None:
    expected = registry.create({"name": "math"}, folder).fingerprint()
    for part in ("train", "test"):
        path = folder / "math" / f"{part}.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        path.unlink()
        if layout == "csv":
            pandas.DataFrame(rows).to_csv(path.with_suffix(".csv"), index=False)
        elif layout == "parquet":
            pandas.DataFrame(rows).to_parquet(path.with_suffix(".parquet"))
        elif layout == "gz":
            path.with_suffix(".jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
        elif layout == "shards":
            for shard in range(2):
                name = f"{part}-0000{shard}-of-00002.parquet"
                pandas.DataFrame(rows[shard::2]).to_parquet(path.with_name(name))
        elif layout == "single":  # as in the tar of the release: a file a problem
            for number, row in enumerate(rows):
                one = path.with_suffix("") / "algebra" / f"{number}.json"
                one.parent.mkdir(parents=True, exist_ok=True)
                one.write_text(json.dumps(row, indent=4))
        else:
            path.with_suffix(".json").write_text(json.dumps(rows))
    assert registry.create({"name": "math"}, folder).fingerprint() == expected


def test_solutions_of_math_can_be_learned_from(folder: Path) -> None:
    task = registry.create({"name": "math"}, folder)
    problem = task.problems("test")[0]
    assert problem.level == 3 and problem.extra["solution"].startswith("We divide, which gives $\\frac{")
    assert task.verify(solutions.gold(task, problem), problem).correct
    assert not task.verify(solutions.wrong(task, problem, 0), problem).correct


def test_hub_and_release_of_minerva_are_the_same_problems(folder: Path) -> None:
    expected = registry.create({"name": "minerva"}, folder).fingerprint()
    rows = [minerva(number) for number in range(5)]
    path = folder / "minerva" / "test.jsonl"
    path.write_text(
        "\n".join(json.dumps({"question": row["problem"], "answer": f"{n}.5"}) for n, row in enumerate(rows))
    )
    assert registry.create({"name": "minerva"}, folder).fingerprint() == expected


@pytest.mark.parametrize("name", DATA_SETS)
def test_the_fields_that_are_shown_are_those_that_are_read(name: str, folder: Path) -> None:
    shown = preview.details(name)
    file = folder / shown["files"][0]
    assert file.exists() and shown["hub"].startswith(DATA_SETS[name].hub_id)
    row = FORMATS[name][0](1)
    for field in shown["fields"]:
        present = next(key for key in field.split(" or ") if key in row)
        file.write_text(json.dumps({key: value for key, value in row.items() if key != present}))
        with pytest.raises(TaskError, match=f"'{field.split(' or ')[0]}'|'{present}'|no option begins|has no train"):
            registry.create({"name": name}, folder).problems("test")
    file.write_text(
        json.dumps({key: row[key] for field in shown["fields"] for key in field.split(" or ") if key in row})
    )
    task = registry.create({"name": name}, folder)
    assert isinstance(task, DataTask) and len(task.loaded.readings[0].problems) == 1


def test_a_train_file_that_holds_the_test_set_is_refused(folder: Path) -> None:
    train, test = folder / "gsm8k" / "train.jsonl", folder / "gsm8k" / "test.jsonl"
    train.write_text(train.read_text() + test.read_text())
    with pytest.raises(TaskError, match=r"20 problems stand both in .* and in .*: use the original files"):
        registry.create({"name": "gsm8k"}, folder).problems("train")


def test_any_jsonl_without_code(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    rows = [{"ask": f"{number} + {number}", "gold": 2 * number} for number in range(60)]
    path.write_text("\n\n".join(json.dumps(row) for row in rows))
    settings = {"name": "jsonl", "path": str(path), "question": "ask", "answer": "gold"}
    report = check(registry.create(settings))
    assert report.passed and sum(report.sizes.values()) == 60 and min(report.sizes.values()) > 0
    assert check(registry.create({**settings, "split": "test"})).sizes == {"train": 0, "validation": 0, "test": 60}
    asked = registry.create({**settings, "instruction": "\nA number, please."}).prompt(Problem("1 + 1", "2", "jsonl"))
    assert asked == "1 + 1\nA number, please.\n"
    with pytest.raises(TaskError, match=r"mine.jsonl line 1 has no field 'question' \(it has ask, gold\): add it"):
        registry.create({"name": "jsonl", "path": str(path)}).problems("train")
    path.write_text("\n")
    with pytest.raises(TaskError, match="holds no problems"):
        registry.create(settings).problems("train")


def test_latex_answers_in_a_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps({"question": "Expand (x+1)^2.", "answer": "x^2+2x+1"}))
    task = registry.create({"name": "jsonl", "path": str(path), "verifier": "latex", "split": "test"})
    assert task.verify(r"It is \boxed{(1+x)^2}.", task.problems("test")[0]).correct


def test_the_hub_gives_the_same_problems(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str | None, str]] = []

    def load(path: str, name: str | None, split: str) -> datasets.Dataset:
        asked.append((path, name, split))
        rows = [json.loads(line) for line in (folder / "gsm8k" / f"{split}.jsonl").read_text().splitlines()]
        return datasets.Dataset.from_list(rows)

    monkeypatch.setattr(datasets, "load_dataset", load)
    local = registry.create({"name": "gsm8k"}, folder).fingerprint()
    assert registry.create({"name": "gsm8k"}).fingerprint() == local
    assert asked == [("openai/gsm8k", "main", "train"), ("openai/gsm8k", "main", "test")]


def test_a_hub_out_of_reach_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RLVR_BENCH_DATA", raising=False)

    def load(*_: Any, **__: Any) -> None:
        raise ConnectionError("Couldn't reach the hub\nsecond line")

    monkeypatch.setattr(datasets, "load_dataset", load)
    sentence = r"could not be loaded from the hub as HuggingFaceH4/MATH-500 \(Couldn't .* --data-dir or RLVR_BENCH_DATA"
    with pytest.raises(TaskError, match=sentence):
        registry.create({"name": "math500"}).problems("test")


class Scripted(LM):  # type: ignore[misc]
    """A model that answers every prompt by a function of it, and remembers what it was asked."""

    def __init__(self, answer: Callable[[int, str], str]) -> None:
        super().__init__()
        self.answer = answer
        self.requests: list[tuple[str, dict[str, Any]]] = []

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        self.requests += [request.args for request in requests]
        return [self.answer(number, request.args[0]) for number, request in enumerate(requests)]

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        raise NotImplementedError

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        raise NotImplementedError

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        return "".join(f"<{turn['role']}>{turn['content']}" for turn in chat_history)

    @property
    def tokenizer_name(self) -> str:
        return "scripted"


def prompt_text(task: Task, problem: Problem, style: str = "task") -> str:
    prompt = task.prompt(problem, style)
    return prompt if isinstance(prompt, str) else "".join(f"<{turn['role']}>{turn['content']}" for turn in prompt)


def answers_of(task: Task, split: Split, style: str = "task") -> Callable[[int, str], str]:
    """Right, wrong and no answers in turn, found by the prompt, so that a wrong prompt cannot score."""
    gold = {prompt_text(task, problem, style): problem.answer for problem in task.problems(split)}
    return lambda number, prompt: ("steps #### " + gold[prompt], "#### -1", "no answer", gold[prompt])[number % 4]


@pytest.mark.parametrize("style", ["task", "irrelevant"])
@pytest.mark.parametrize("name", ["chain", "plain-arithmetic"])
def test_lm_eval_agrees_with_our_verifier(name: str, style: str) -> None:
    task = registry.create({"name": name, **SMALL})
    model = Scripted(answers_of(task, "validation", style))
    evaluated = lm_eval_task(task, "validation", max_new_tokens=7, style=style)
    results = lm_eval.evaluate(model, {evaluated.config.task: evaluated}, apply_chat_template=task.chat)
    problems = task.problems("validation")
    expected = [task.verify(model.answer(n, prompt_text(task, p, style)), p) for n, p in enumerate(problems)]
    samples = results["samples"][f"rlvr_bench_{name}"]
    assert [sample["correct"] for sample in samples] == [float(verdict.correct) for verdict in expected]
    assert [sample["unparsed"] for sample in samples] == [float(verdict.reason == "unparsed") for verdict in expected]
    scores = results["results"][f"rlvr_bench_{name}"]
    assert scores["correct,none"] == sum(verdict.correct for verdict in expected) / len(expected) > 0
    assert scores["verifier_error,none"] == 0
    assert [prompt for prompt, _ in model.requests] == [prompt_text(task, problem, style) for problem in problems]
    assert all(
        request == {"until": [], "do_sample": False, "temperature": 0.0, "max_gen_toks": 7}
        for _, request in model.requests
    )


def test_lm_eval_task_takes_a_prefix_and_refuses_nothing() -> None:
    task = registry.create({"name": "chain", **SMALL})
    documents = lm_eval_task(task, "test", 8, limit=3).eval_docs
    assert [document["id"] for document in documents] == [problem.id for problem in task.problems("test")[:3]]
    with pytest.raises(TaskError, match="has no problems in split 'test'"):
        lm_eval_task(task, "test", 8, limit=0)


def test_yaml_files_run_on_their_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLVR_BENCH_DATA", str(folder))
    manager = TaskManager(include_path=str(Path(adapter_package.__file__).parent), include_defaults=False)
    expected = {f"rlvr_bench_{name}" for name in registry.names() if name not in ("mixture", "jsonl")}
    assert {name for name in manager.all_tasks if name.startswith("rlvr_bench_")} == expected
    chosen = ["chain", "svamp", "math500"]
    golds = {
        prompt_text(task, problem): task.completion(problem.answer)
        for task in (registry.create({"name": name}, folder) for name in chosen)
        for problem in task.problems("test")
    }
    model = Scripted(lambda number, prompt: golds[prompt] if number % 2 else "nothing")
    results = lm_eval.simple_evaluate(
        model, tasks=[f"rlvr_bench_{name}" for name in chosen], task_manager=manager, limit=4, bootstrap_iters=0
    )
    for name in chosen:
        scores = results["results"][f"rlvr_bench_{name}"]
        assert (scores["correct,none"], scores["unparsed,none"], scores["verifier_error,none"]) == (0.5, 0.5, 0)
    limits = {name: results["configs"][f"rlvr_bench_{name}"]["generation_kwargs"]["max_gen_toks"] for name in chosen}
    assert limits == {"chain": 128, "svamp": 512, "math500": 4096}

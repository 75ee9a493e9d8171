"""Data sets in the formats of their releases, from a folder and from the hub, and the same tasks inside lm-eval."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import lm_eval
import pytest
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager

from rlvr_bench.tasks import lm_eval as adapter_package
from rlvr_bench.tasks import registry
from rlvr_bench.tasks.check import check
from rlvr_bench.tasks.datasets.catalog import DATA_SETS
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
}


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
            (tmp_path / name / file).write_text(json.dumps(rows, indent=4) if file == "SVAMP.json" else lines + "\n")
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
        ("svamp", "SVAMP.json", '"Answer": 7.0', '"Answer": ', r"SVAMP.json line \d+ is not JSON"),
        ("aqua", "dev.json", '"correct": "C"', '"correct": "F"', r"line 1: no option begins with the right letter 'F'"),
        ("aime24", "test.jsonl", '{"id": 1,', '[1, 2]\n{"id": 1,', r"line 2 is a list, not an object"),
    ],
)
def test_a_broken_line_is_one_sentence(folder: Path, name: str, file: str, old: str, new: str, sentence: str) -> None:
    path = folder / name / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(TaskError, match=sentence) as caught:
        registry.create({"name": name}, folder).problems("test")
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_line_that_is_not_text_is_named(folder: Path) -> None:
    path = folder / "aime24" / "test.jsonl"
    path.write_bytes(b'{"problem": "a", "answer": "1"}\n{"problem": "\xff", "answer": "1"}\n')
    with pytest.raises(TaskError, match="line 2 is not UTF-8"):
        registry.create({"name": "aime24"}, folder).problems("test")


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
    path.write_text(path.read_text() + '\n{"ask": "3 + 3", "gold": 7}')
    with pytest.raises(TaskError, match="line 120 asks an earlier question with another answer"):
        registry.create(settings).problems("train")
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
    assert {name for name in manager.tasks if name.startswith("rlvr_bench_")} == expected
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

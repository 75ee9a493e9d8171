"""Tasks by name: settings, splits, prompts, fingerprints, and one sentence for each mistake."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rlvr_bench.plugins.registry import plugin_entries
from rlvr_bench.tasks import preview, prompts, registry
from rlvr_bench.tasks.check import check
from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.families import FAMILIES
from rlvr_bench.tasks.perturbations import changed
from rlvr_bench.tasks.problem import Problem, Verdict
from rlvr_bench.tasks.task import USER_SPLITS, StandardTask

SMALL = {"train": 12, "validation": 6, "test": 9}


@pytest.mark.parametrize("name", [*FAMILIES, "plain-arithmetic", "random-calculation"])
def test_generated_tasks_pass_their_check(name: str) -> None:
    report = check(registry.create({"name": name, **SMALL}))
    assert report.faults() == []
    assert report.sizes == SMALL


def test_mixture_takes_its_cells_in_turn() -> None:
    task = registry.create(
        {"name": "mixture", "families": ["chain", "sort"], "levels": {"chain": [3, 4], "sort": [5]}, **SMALL}
    )
    cells = [(problem.family, problem.level) for problem in task.problems("train")]
    assert cells == [("chain", 3), ("chain", 4), ("sort", 5)] * 4
    assert check(task).passed


def test_level_lists_hold_for_all_families_of_a_mixture() -> None:
    task = registry.create({"name": "mixture", "families": ["chain", "sums"], "levels": [4], **SMALL})
    assert {(problem.family, problem.level) for problem in task.problems("test")} == {("chain", 4), ("sums", 4)}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"name": "gsm8"}, r"unknown task 'gsm8'; did you mean 'gsm8k'\?$"),
        ({"name": 5}, r"A task needs a name, but 5 was given"),
        (
            {"name": "chain", "lvels": [3]},
            r"Task 'chain': unknown key \"lvels\"; did you mean 'levels'\?$",
        ),
        ({"name": "chain", "levels": [3, 99]}, r"Family 'chain' has no level 99: choose from 1, 2"),
        ({"name": "chain", "levels": []}, r"levels = \[\]: .* at least 1 item"),
        ({"name": "chain", "levels": [3, 3]}, r"level of 'chain' 3 is named twice"),
        ({"name": "chain", "train": "many"}, r"train = 'many': is a text, not a number"),
        ({"name": "chain", "train": True}, r"train = True: is true or false, not a number"),
        ({"name": "mixture"}, r"Task 'mixture': the key \"families\" is missing; add it"),
        ({"name": "mixture", "families": ["chian"]}, r"Unknown family 'chian'; did you mean 'chain'\?"),
        ({"name": "mixture", "families": ["chain", "chain"]}, r"family 'chain' is named twice"),
        ({"name": "mixture", "families": ["chain"], "levels": {"sort": [5]}}, r"\['sort'\], which is not among"),
        ({"name": "plain-arithmetic", "kinds": ["3+1"]}, r"kinds\.0 = '3\+1': .*[Aa] kind is"),
        ({"name": "jsonl", "path": "x", "verifier": "sympy"}, r"verifier = 'sympy': input should be"),
    ],
)
def test_bad_settings_are_one_sentence(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(TaskError, match=sentence) as caught:
        registry.create(settings)
    assert "\n" not in str(caught.value)


def test_too_many_problems_are_refused_with_the_number_there_is() -> None:
    with pytest.raises(TaskError, match=r"has only \d+ problems of level 1 in split 'test', but 512 were asked for"):
        registry.create({"name": "sort", "levels": [1]}).problems("test")
    with pytest.raises(TaskError, match=r"has \d+ problems of these kinds in split 'train', but 900 were asked for"):
        registry.create({"name": "plain-arithmetic", "kinds": ["1+1"], "train": 900}).problems("train")


def test_splits_for_users_only() -> None:
    task = registry.create({"name": "chain", **SMALL})
    with pytest.raises(TaskError, match="gives no split 'pretrain'; choose from train, validation, test"):
        task.problems("pretrain")
    with pytest.raises(TaskError, match=r"gives no split 'tset'; did you mean 'test'\?"):
        task.problems("tset")  # type: ignore[arg-type]


def test_plain_arithmetic_is_right_and_balanced() -> None:
    task = registry.create({"name": "plain-arithmetic", "kinds": ["1+1", "2-2", "2*1"], "train": 90})
    operators = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__}
    kinds: dict[str, int] = {}
    for problem in task.problems("train"):
        _, _, left, sign, right = problem.question.rstrip("?").split()
        assert operators[sign](int(left), int(right)) == int(problem.answer) >= 0
        kinds[problem.extra["kind"]] = kinds.get(problem.extra["kind"], 0) + 1
    assert kinds == {"1+1": 30, "2-2": 30, "2*1": 30}


def test_small_kinds_give_all_they_have() -> None:
    problems = registry.create({"name": "plain-arithmetic", "kinds": ["1+1", "2+2"], "train": 300}).problems("train")
    small = [problem for problem in problems if problem.extra["kind"] == "1+1"]
    assert len(problems) == 300
    assert 40 < len(small) < 80  # about 60 of the hundred one-digit sums fall into train


def test_prompts_by_style() -> None:
    chain = registry.create({"name": "chain", **SMALL})
    problem = Problem("7*3+4-9=?", "6", "chain", 3)
    assert chain.prompt(problem) == "7*3+4-9=?\n"
    assert chain.prompt(problem, "none") == "7*3+4-9=?"
    plain = registry.create({"name": "plain-arithmetic"})
    asked = "What is 7 * 8? Answer with the number only."
    assert plain.prompt(Problem("What is 7 * 8?", "56", "plain-arithmetic")) == [{"role": "user", "content": asked}]
    rendered = [str(chain.prompt(problem, style)) for style in prompts.STYLES]
    assert len(set(rendered)) == len(prompts.STYLES) == 5
    assert all(problem.question in text for text in rendered)
    with pytest.raises(TaskError, match=r"Unknown prompt style 'tersee'; did you mean 'terse'\?"):
        chain.prompt(problem, "tersee")


def test_questions_with_braces_are_left_alone() -> None:
    problem = Problem("What is {instruction} and {0}?", "1", "jsonl")
    assert "What is {instruction} and {0}?" in registry.create({"name": "chain", **SMALL}).prompt(problem, "irrelevant")


def test_fingerprint_follows_what_changes_scores() -> None:
    base = {"name": "chain", "levels": [4], **SMALL}
    same = registry.create(base).fingerprint()
    assert registry.create(dict(base)).fingerprint() == same
    changes = [{"levels": [5]}, {"train": 13}, {"seed": 1}, {"chat": True}, {"name": "sums"}]
    others = {registry.create({**base, **change}).fingerprint() for change in changes}
    assert len(others | {same}) == len(changes) + 1


def test_fingerprint_follows_the_prompt_styles(monkeypatch: pytest.MonkeyPatch) -> None:
    task = registry.create({"name": "chain", **SMALL})
    before = task.fingerprint()
    monkeypatch.setitem(prompts.STYLES, "terse", prompts.PromptStyle("another", after="\nShort!\n"))
    assert task.fingerprint() != before


def test_problem_lists_cannot_be_changed_from_outside() -> None:
    task = registry.create({"name": "chain", **SMALL})
    task.problems("train").clear()
    assert len(task.problems("train")) == 12


class Gullible:
    """A verifier that accepts everything but the answer 0."""

    version = "gullible"

    def asked_by(self, instruction: str) -> "Gullible":
        return self

    def marked(self, marker: str) -> "Gullible":
        return self

    def verify(self, completion: str, gold: str, truncated: bool = False) -> Verdict:
        return Verdict(gold != "0", completion, "correct" if gold != "0" else "wrong")

    def follows_format(self, completion: str) -> bool:
        return True

    def completion(self, answer: str) -> str:
        return answer


def test_check_finds_every_kind_of_fault() -> None:
    settings = registry.find("chain").settings.model_validate({"name": "chain"})
    same, zero = Problem("1+1=?", "2", "chain"), Problem("1-1=?", "0", "chain")
    parts = {"train": [same, same], "validation": [], "test": [same, zero]}
    report = check(StandardTask(settings, lambda split: parts[split], Gullible()))
    found = {(finding.fault, finding.id) for finding in report.findings}
    assert ("gold answers are not accepted", zero.id) in found
    assert ("answers with another value are accepted", same.id) in found
    assert ("problems stand in two splits", same.id) in found
    assert ("problems stand twice in one split", same.id) in found
    assert "An empty completion is accepted." in report.faults() and not report.passed


def test_check_of_nothing_does_not_pass() -> None:
    settings = registry.find("chain").settings.model_validate({"name": "chain"})
    assert check(StandardTask(settings, lambda _: [], Gullible())).faults() == ["There are no problems."]


@pytest.mark.parametrize("answer", ["12", "1/2", "-3.5", "B", "Z", r"\frac{9}{x}", r"\text{Evelyn}", "1,080"])
def test_changed_answers_differ(answer: str) -> None:
    assert changed(answer) != answer


def test_previews_are_plain_data() -> None:
    assert {row["name"] for row in preview.listing()} == set(registry.names())
    shown = preview.details("mixture")
    assert [row["key"] for row in shown["settings"] if row["required"]] == ["families"]
    assert set(shown["styles"]) == set(prompts.STYLES)
    sampled = preview.samples(registry.create({"name": "chain", **SMALL}), "test", 2)
    assert len(sampled) == 2 and set(sampled[0]) == {"id", "family", "level", "prompt", "answer"}


def test_task_of_an_outside_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "outside_task.py").write_text(
        "from rlvr_bench.tasks.problem import Problem\nfrom rlvr_bench.tasks.registry import TaskKind\n"
        "from rlvr_bench.tasks.settings import TaskSettings\n"
        "from rlvr_bench.tasks.task import StandardTask\nfrom rlvr_bench.tasks.verifiers.exact import ExactVerifier\n"
        "def build(settings, data_dir):\n"
        "    return StandardTask(settings, lambda split: [Problem(f'{split}?', '1', 'echo')], ExactVerifier())\n"
        "kind = TaskKind('asks for one', TaskSettings, build)\n"
    )
    folder = tmp_path / "outside_task-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-task\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[rlvr_bench.tasks]\necho = outside_task:kind\nchain = outside_task:kind\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    plugin_entries.cache_clear()
    try:
        task = registry.create({"name": "echo", "chat": True})
        assert check(task).sizes == dict.fromkeys(USER_SPLITS, 1)
        assert registry.names()[-1] == "echo"
        with pytest.raises(TaskError, match="task 'chain' is registered by this package and by outside_task:kind"):
            registry.find("chain")
        kinds, faults = registry.available()
        assert "echo" in kinds and "sums" in kinds and "chain" not in kinds
        assert len(faults) == 1 and "'chain'" in faults[0]
        assert {row["name"] for row in preview.listing()} == set(kinds)
    finally:
        plugin_entries.cache_clear()
        sys.modules.pop("outside_task", None)


def test_registry_imports_nothing_slow() -> None:
    code = "import sys; from rlvr_bench.tasks import preview, registry, rewards; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "datasets", "lm_eval", "sympy", "pandas", "numpy"} & set(loaded)

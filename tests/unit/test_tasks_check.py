"""What `check` proves: forms, changes of every kind, golds that nobody can match, and what was left out of the data."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rlvr_bench.cli.main import app
from rlvr_bench.tasks import registry
from rlvr_bench.tasks.check import CheckReport, check
from rlvr_bench.tasks.perturbations import perturbed
from rlvr_bench.tasks.problem import Problem, Verdict
from rlvr_bench.tasks.task import StandardTask
from rlvr_bench.tasks.verifiers.verifier import Verifier


def _never(answer: str, gold: str) -> bool:
    return False


class Literally:
    """Compares what stands after "#### ", in a box or after "The answer is ", where it `reads` that form."""

    version = "literally"

    def __init__(
        self,
        lenient: Callable[[str, str], bool] = _never,
        reads: Callable[[str, str], bool] = lambda form, answer: True,
    ) -> None:
        self.lenient = lenient
        self.reads = reads

    def asked_by(self, instruction: str) -> "Literally":
        return self

    def marked(self, marker: str) -> "Literally":
        return self

    def verify(self, completion: str, gold: str, truncated: bool = False) -> Verdict:
        form, answer = "####", completion.removeprefix("#### ")
        if completion.startswith("\\boxed{"):
            form, answer = "box", completion[7:-1]
        if completion.startswith("The answer is "):
            form, answer = "phrase", completion[14:]
        if not self.reads(form, answer):
            return Verdict(False, None, "unparsed")
        correct = answer == gold or self.lenient(answer, gold)
        return Verdict(correct, answer, "correct" if correct else "wrong")

    def follows_format(self, completion: str) -> bool:
        return True

    def completion(self, answer: str) -> str:
        return f"#### {answer}"


def checked(answers: list[str], verifier: Verifier, instruction: str = "") -> CheckReport:
    settings = registry.find("chain").settings.model_validate({"name": "chain"})
    problems = [Problem(f"{n}?", answer, "own", where=f"a.jsonl line {n}") for n, answer in enumerate(answers, 1)]
    return check(StandardTask(settings, lambda split: problems if split == "train" else [], verifier, instruction))


def test_a_verifier_that_compares_passes() -> None:
    report = checked(["7", "-1/2", "(1, 2]", "B", r"\frac{x}{2}"], Literally())
    assert report.passed and report.notes() == []


@pytest.mark.parametrize(
    ("what", "gold", "lenient"),
    [
        ("value", "7", lambda answer, gold: answer == "8"),
        ("sign", "7", lambda answer, gold: answer == "-7"),
        ("sign", r"\frac{x}{2}", lambda answer, gold: answer == r"-\left(\frac{x}{2}\right)"),
        ("order", "(1, 2)", lambda answer, gold: answer == "( 2,1)"),
        ("bracket", "(1, 2]", lambda answer, gold: answer == "[1, 2]"),
        ("value", "B", lambda answer, gold: answer == "C"),
    ],
)
def test_every_kind_of_change_that_is_accepted_is_named(
    what: str, gold: str, lenient: Callable[[str, str], bool]
) -> None:
    report = checked(["3", gold], Literally(lenient))
    assert [(finding.fault, finding.where, finding.answer) for finding in report.findings] == [
        (f"answers with another {what} are accepted", "a.jsonl line 2", gold)
    ]
    assert report.faults()[0].endswith(f"first {gold!r} of problem {report.findings[0].id} (a.jsonl line 2).")


@pytest.mark.parametrize(
    ("answer", "changes"),
    [
        ("7", {"value": "8", "sign": "-7"}),
        ("0", {"value": "1"}),
        ("1,080", {"value": "1081", "sign": "-1080"}),
        ("B", {"value": "C"}),
        (r"\text{(B)}", {"value": r"\text{(C)}"}),
        ("Evelyn", {"value": "Evelyn + 1"}),
        ("(3, 4)", {"value": "(4, 4)", "order": "( 4,3)"}),
        ("(3, 3)", {"value": "(4, 3)"}),
        (r"\left( 3, \frac{\pi}{2} \right)", {"value": None, "order": r"\left( \frac{\pi}{2} , 3\right)"}),
        ("[0, 1)", {"value": "[1, 1)", "order": "[ 1,0)", "bracket": "(0, 1)"}),
        (r"(-\infty, 3]", {"value": None, "order": r"( 3,-\infty]", "bracket": r"(-\infty, 3)"}),
        (r"(2, \infty)", {"value": None, "order": r"( \infty,2)", "bracket": r"[2, \infty)"}),
        (r"(-\infty, \infty)", {"value": None, "order": r"( \infty,-\infty)"}),
        (r"(0,1) \cup (2,3]", {"value": r"(1,1) \cup (2,3]"}),
        (r"3 \pm \sqrt{2}", {"value": r"4 \pm \sqrt{2}"}),
        (r"\frac{9}{x}", {"value": r"\frac{0}{x}", "sign": r"-\left(\frac{9}{x}\right)"}),
        ("x = 5", {"value": None}),
    ],
)
def test_changes_are_wrong_for_certain(answer: str, changes: dict[str, str | None]) -> None:
    found = perturbed(answer)
    expected = {what: found.get(what) if text is None else text for what, text in changes.items()}
    if answer != "x = 5":  # a number to some, an equation to others
        assert found == expected
    assert answer not in found.values()


@pytest.mark.parametrize(
    ("unread", "fault"),
    [
        (("box", "phrase"), "gold answers are accepted in the first form only"),
        (("box",), "gold answers are not accepted as box"),
        (("phrase",), "gold answers are not accepted as phrase"),
    ],
)
def test_golds_that_pass_in_some_forms_only_are_named(unread: tuple[str, ...], fault: str) -> None:
    verifier = Literally(reads=lambda form, answer: form not in unread or "sqrt" not in answer)
    report = checked(["7", r"\sqrt{x}"], verifier)
    assert [(finding.fault, finding.where) for finding in report.findings] == [(fault, "a.jsonl line 2")]
    asked = checked(["7", r"\sqrt{x}"], verifier, '\nEnd with "#### " and the number.')
    assert asked.passed and f"1 {fault}, first " in asked.notes()[0]


def test_forms_that_a_task_does_not_read_are_not_asked_for() -> None:
    report = checked(["7", r"\sqrt{x}"], Literally(reads=lambda form, answer: form == "####"))
    assert report.passed and report.notes() == []


@pytest.mark.parametrize("gold", [r"\boxed{7}", "#### 7", "7 km/h", r"7 \text{ cm}^2", "7 apples", r"7~\mathrm{kg}"])
def test_golds_that_no_completion_matches_are_named(gold: str) -> None:
    report = checked(["7", gold], Literally())
    assert "gold answers refuse the plain answer that a model gives" in {finding.fault for finding in report.findings}
    assert {finding.where for finding in report.findings} == {"a.jsonl line 2"}
    lenient = checked(["7", gold], Literally(lambda answer, gold: (answer == "7" and gold != "8") or answer == gold))
    assert "refuse the plain answer" not in " ".join(lenient.faults())


@pytest.mark.parametrize("gold", ["8 pm", "7 or 8", "2 x", "3 and 4", "5 mod 7", "2x", "3 i"])
def test_what_is_no_unit_stays(gold: str) -> None:
    assert "refuse the plain answer" not in " ".join(checked(["7", gold], Literally()).faults())


def _file(tmp_path: Path, rows: list[dict[str, Any]], name: str = "own.jsonl") -> dict[str, Any]:
    path = tmp_path / name
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return {"name": "jsonl", "path": str(path)}


def test_repeated_rows_are_said(tmp_path: Path) -> None:
    rows = [{"question": f"{n % 23} + 1?", "answer": n % 23 + 1} for n in range(60)]
    report = check(registry.create(_file(tmp_path, rows)))
    assert report.passed and report.notes() == [f"{tmp_path}/own.jsonl: 37 of 60 rows were repeated and dropped."]


def test_a_file_without_train_problems_is_a_fault_where_it_is_trained_on(tmp_path: Path) -> None:
    settings = _file(tmp_path, [{"question": "1 + 3?", "answer": 4}])
    assert registry.create(settings).problems("train") == []  # where this question falls by its hash
    report = check(registry.create(settings))
    assert not report.passed and "no problems to train on" in report.faults()[0]
    scored = registry.create({**settings, "split": "test"})
    assert check(scored).passed and "no problems to train on" in check(scored).notes()[0]
    assert not check(scored, to_train_on=True).passed


def test_the_verb_says_which_lines_failed(tmp_path: Path) -> None:
    rows = [{"question": f"{n}?", "answer": n} for n in range(40)] + [{"question": "fast?", "answer": "7 km//h"}]
    rows += [{"question": "0?", "answer": 5}, {"question": "x?"}]
    settings = _file(tmp_path, rows)
    arguments = ["tasks", "check", "jsonl", "--set", f"path={json.dumps(settings['path'])}"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "1 of 43 rows were skipped, first: " in result.stdout and "own.jsonl line 43 has no field" in result.stdout
    assert "own.jsonl line 1 says '0'" in result.stdout and "own.jsonl line 42 says '5'" in result.stdout
    document = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert document["passed"] is False and len(document["faults"]) == 2
    good = _file(tmp_path, [{"question": f"{n}?", "answer": n} for n in range(40)], "good.jsonl")
    passed = CliRunner().invoke(app, [*arguments[:3], "--set", f"path={json.dumps(good['path'])}"])
    assert passed.exit_code == 0 and "passed" in passed.stdout
    scored = CliRunner().invoke(
        app, [*arguments[:3], "--set", f"path={json.dumps(good['path'])}", "--set", 'split="test"', "--train"]
    )
    assert scored.exit_code == 1 and "no problems to train on" in scored.stdout

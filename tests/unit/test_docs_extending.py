"""The examples of docs/extending.md do what the page says, in the places that it names; nothing trains."""

import sys
import tomllib
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from docs_files import titled_blocks
from record_factory import outcomes, record

from rlvr_bench.evaluate import measurements
from rlvr_bench.experiment.measurements import MeasurementSettings
from rlvr_bench.methods import registry as methods
from rlvr_bench.studies import analyses
from rlvr_bench.studies.claim import load_claims
from rlvr_bench.studies.derive import judge_all
from rlvr_bench.studies.evidence import Evidence, EvidenceRun
from rlvr_bench.tasks import families, rewards
from rlvr_bench.tasks.check import check
from rlvr_bench.tasks.family_task import FamilySettings, family_task
from rlvr_bench.tasks.problem import Verdict
from rlvr_bench.tasks.rewards import registry as reward_registry

BLOCKS = titled_blocks("extending.md")


def _module(path: str, monkeypatch: pytest.MonkeyPatch, text: str | None = None) -> ModuleType:
    """Return the block of a path as the module that it would be there."""
    name = "rlvr_bench." + path.removesuffix(".py").removeprefix("bench/").replace("/", ".")
    spec = spec_from_loader(name, None)
    assert spec is not None
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(BLOCKS[path] if text is None else text, path, "exec"), module.__dict__)
    return module


def _row(title: str, names: dict[str, Any]) -> dict[str, Any]:
    """Return the row of a table that a block is."""
    return dict(eval(f"{{{BLOCKS[title]}}}", names))


def test_a_method_is_a_class_and_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    package = titled_blocks("your-method.md")
    module = _module("methods/full/norm_gains.py", monkeypatch, package["my-lab/my_lab/norm_gains.py"])
    row = _row("row of BUILT_IN in methods/registry.py", vars(module))
    monkeypatch.setitem(methods.BUILT_IN, "norm-gains", row["norm-gains"])
    shapes = {"model.norm.weight": (8,), "model.layers.0.mlp.up_proj.weight": (8, 8)}
    assert methods.create({"type": "norm-gains"}).expected_trainable(shapes) == {"model.norm.weight": (8,)}
    assert methods.describe("norm-gains").formula


def test_a_method_of_peft_is_a_row_of_data(monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = _module("methods/peft/table/example.py", monkeypatch).EXAMPLE
    monkeypatch.setitem(methods.BUILT_IN, row.name, row)
    shapes = {"model.layers.0.mlp.up_proj.weight": (256, 128)}
    expected = methods.create({"type": "c3a-small"}).expected_trainable(shapes)
    assert [*expected.values()] == [(256 // 64, 128 // 64, 64)]


def test_a_family_is_a_class_and_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    family = _module("tasks/families/digits.py", monkeypatch).Digits()
    monkeypatch.setitem(families.FAMILIES, family.name, family)
    task = family_task(FamilySettings(name="digits", levels=[4], train=64, validation=32, test=32))
    for problem in task.problems("test"):
        digits = problem.question.removeprefix("digits ").removesuffix("=?")
        assert sum(map(int, digits)) == int(problem.answer)
    assert check(task).passed


def test_a_reward_is_a_function_and_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    module = _module("tasks/rewards/one_line.py", monkeypatch)
    row = _row("row of BUILT_IN in tasks/rewards/registry.py", vars(reward_registry) | vars(module))
    monkeypatch.setitem(reward_registry.BUILT_IN, "one-line", row["one-line"])
    verdicts = [Verdict(True, "3", "correct"), Verdict(True, "3", "correct"), Verdict(False, "4", "wrong")]
    context = SimpleNamespace(verdicts=verdicts)
    assert rewards.create("one-line")(["3", "1+2=3\n3", "4"], [None] * 3, context) == [1, 0, 0]


def test_a_measurement_is_settings_what_measures_and_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    own = dict(vars(measurements))
    exec(BLOCKS["bench/evaluate/measurements.py"], own)
    settings = own["AnswerLength"](longest=3)
    assert isinstance(settings, MeasurementSettings)
    monkeypatch.setattr(measurements, "AnswerLength", own["AnswerLength"], raising=False)
    point = tomllib.loads(BLOCKS["row of rlvr_bench.measurements in pyproject.toml"])
    assert point == {"answer_length": f"{measurements.__name__}:AnswerLength"}
    module = _module("bench/evaluate/answer_length.py", monkeypatch)
    assert settings.implementation == f"{module.__name__}:AnswerLengthOfCell"
    measured = module.AnswerLengthOfCell(settings)
    samples = [{"completion": "ab"}, {"completion": "abcd"}]
    assert measured.after(None, SimpleNamespace(samples=samples)).share_long == 0.5
    assert measured.after(None, SimpleNamespace(samples=[])) is None


def test_claims_are_tables_and_pure_functions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = _module("bench/studies/example/analyses.py", monkeypatch)
    table = analyses.analyses() | module.ANALYSES
    monkeypatch.setattr(analyses, "analyses", lambda: table)
    (tmp_path / "claims.toml").write_text(BLOCKS["bench/studies/example/claims.toml"], encoding="utf-8")
    runs = [record("lora", seed, outcomes(0.8, seed=seed)) for seed in range(4)]
    runs += [record("full", seed, outcomes(0.7, seed=seed + 9), status="collapsed") for seed in range(4)]
    evidence = Evidence("organism-steps", tuple(map(EvidenceRun, runs)))
    entries = {entry["id"]: entry for entry in judge_all(load_claims(tmp_path), [evidence])}
    assert entries["X1"]["verdict"] == "supported"
    assert (entries["X2"]["verdict"], entries["X2"]["estimate"]) == ("contradicted", 1.0)

"""Tasks of lm-eval by their names, on files in the hub's layout: the same completions get lm-eval's own score."""

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lm_eval.evaluator
import pytest
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from test_evaluate_lm_eval import _context, _trained

from rlvr_bench.evaluate.completion import Completion
from rlvr_bench.evaluate.lm import BackendLM
from rlvr_bench.evaluate.lm_eval_of_cell import LmEvalOfCell
from rlvr_bench.evaluate.lm_eval_tasks import load_tasks
from rlvr_bench.evaluate.measurements import LmEval
from rlvr_bench.experiment.errors import ExperimentError

pytestmark = pytest.mark.usefixtures("lm_eval_task_files")

ANTLR = version("antlr4-python3-runtime")

Row = dict[str, Any]


def _gsm8k(place: int) -> Row:
    return {"question": f"What is {place} + 1?", "answer": f"It is <<{place}+1={place + 1}>>.\n#### {place + 1}"}


def _math500(place: int) -> Row:
    return {
        "problem": f"Halve ${place}$.",
        "solution": rf"It is $\boxed{{\frac{{{place}}}{{2}}}}$.",
        "answer": rf"\frac{{{place}}}{{2}}",
        "subject": "Prealgebra",
        "level": 1,
        "unique_id": f"test/prealgebra/{place}.json",
    }


def _aime24(place: int) -> Row:
    return {"ID": f"2024-I-{place}", "Problem": f"Find {place} + 1.", "Solution": "Add.", "Answer": place + 1}


CASES: list[tuple[str, str, Callable[[int], Row], list[str], str, float]] = [
    (
        "gsm8k_cot",
        "test",
        _gsm8k,
        [" We add. The answer is 1.", " The answer is 2.\n\nQ: 1 + 1?\n\nA: The answer is 7.", " It is 3.", " 9."],
        "exact_match,strict-match",
        0.5,
    ),
    (
        "hendrycks_math500",
        "test",
        _math500,
        [r" $\frac{0}{2}$", r" so $\frac{1}{2}$. Problem: another", r" $1$", " 3/2"],
        "exact_match,none",
        0.75,
    ),
    (
        "aime24",
        "train",
        _aime24,
        [r" $\boxed{1}$", " 2", r" so $\boxed{3}$. Question: 7", " 17"],
        "exact_match,none",
        0.75,
    ),
]
"""Name, split, rows, completions, a metric and the score that a person gives by lm-eval's rules."""


class Prepared(LM):
    """Gives the completions that were prepared, cut at the stop texts as every model of lm-eval does."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__()
        self._texts = texts

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        answers = []
        for text, request in zip(self._texts, requests, strict=True):
            until = request.args[1]["until"]
            for stop in [until] if isinstance(until, str) else until:
                text = text.partition(stop)[0]
            answers.append(text)
        return answers

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        raise NotImplementedError

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        raise NotImplementedError


def _data(folder: Path, name: str, split: str, row: Callable[[int], Row]) -> Path:
    """Below a data folder, as --data-dir names it, the rows of one split."""
    (folder / "lm_eval" / name).mkdir(parents=True)
    lines = "".join(json.dumps(row(place)) + "\n" for place in range(4))
    (folder / "lm_eval" / name / f"{split}.jsonl").write_text(lines)
    (folder / "lm_eval" / name / "train.jsonl").write_text(lines)  # the split that examples would come from
    return folder


def _given(monkeypatch: pytest.MonkeyPatch, texts: list[str]) -> None:
    def complete(self: BackendLM, prompts: list[str], limit: int, stops: tuple[str, ...]) -> list[Completion]:
        return [Completion(text, len(text), 0.0, False) for text in texts]

    monkeypatch.setattr(BackendLM, "_complete", complete)


@pytest.mark.parametrize(("name", "split", "row", "texts", "metric", "share"), CASES)
def test_completions_get_lm_evals_own_score(
    name: str,
    split: str,
    row: Callable[[int], Row],
    texts: list[str],
    metric: str,
    share: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path / "cache"))
    _given(monkeypatch, texts)
    settings = LmEval(tasks=(name,), max_new_tokens=64)
    context = _context(_data(tmp_path, name, split, row))
    measurement = LmEvalOfCell(settings)
    measurement.before(context)
    found = measurement.after(context, _trained(context, context.loaded.model))

    theirs = lm_eval.evaluator.evaluate(
        Prepared(texts), load_tasks(settings, tmp_path), bootstrap_iters=10, log_samples=False
    )["results"][name]
    assert theirs[metric] == share
    for role in ("base", "tuned"):
        for key, value in found[role][name].items():
            if "stderr" not in key:
                assert value == pytest.approx(theirs[key]), key


def test_a_limit_takes_the_place_of_the_tasks_own(tmp_path: Path) -> None:
    folder = _data(tmp_path, "aime24", "train", _aime24)
    own = load_tasks(LmEval(tasks=("aime24",)), folder)["tasks"]["aime24"].config.generation_kwargs
    set_here = load_tasks(LmEval(tasks=("aime24",), max_new_tokens=50), folder)["tasks"]["aime24"]
    assert own["max_gen_toks"] == 32768
    assert set_here.config.generation_kwargs == {**own, "max_gen_toks": 50}


def test_a_limit_beyond_the_context_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path / "cache"))
    measurement = LmEvalOfCell(LmEval(tasks=("aime24",)))
    with pytest.raises(ValueError, match=r"asks for 32768 new tokens.*set max_new_tokens"):
        measurement.before(_context(_data(tmp_path, "aime24", "train", _aime24)))


def test_tiny_models_answer_each_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path / "cache"))
    for name, split, row, *_ in CASES:
        _data(tmp_path, name, split, row)
    names = tuple(name for name, *_ in CASES)
    context = _context(tmp_path)
    measurement = LmEvalOfCell(LmEval(tasks=names, max_new_tokens=4, num_fewshot=0, limit=2))
    measurement.before(context)
    found = measurement.after(context, _trained(context, context.loaded.model))
    assert set(names) <= found["tuned"].keys()
    assert found["tuned"] == found["base"]


def test_minerva_math_is_scored_by_its_own_rules_or_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its scoring reads LaTeX by sympy, which takes ANTLR 4.11 only."""
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path / "cache"))
    folder = _data(tmp_path, "minerva_math500", "test", _math500)
    measurement = LmEvalOfCell(LmEval(tasks=("minerva_math500",), max_new_tokens=64))
    if not ANTLR.startswith("4.11"):
        with pytest.raises(ExperimentError, match=r"'minerva_math500' needs packages.*antlr4-python3-runtime==4\.11"):
            measurement.before(_context(folder))
        return
    endings = (r"\frac{0}{2}", "0.5", "1", "7")
    _given(monkeypatch, [f" Final Answer: The final answer is ${text}$. I hope it is correct." for text in endings])
    measurement.before(_context(folder))
    base = measurement.after(_context(folder), _trained(_context(folder), None))["base"]["minerva_math500"]
    assert base["exact_match,none"] == 0.75

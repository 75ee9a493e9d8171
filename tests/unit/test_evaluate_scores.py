"""From graded completions to a score, and the cache of base scores: no model."""

import json
import multiprocessing
import time

import pytest

from rlvr_bench.evaluate import base_cache
from rlvr_bench.evaluate.completion import Completion, Graded
from rlvr_bench.evaluate.grading import pass_ks, problems_hash, score
from rlvr_bench.experiment.settings import EvaluateSettings
from rlvr_bench.record.samples import read_samples
from rlvr_bench.record.schema import Score
from rlvr_bench.tasks.problem import Problem, Verdict

PROBLEMS = [Problem("1+1=?", "2", "sums"), Problem("2+2=?", "4", "sums")]
CORRECT = {
    "2": Verdict(True, "2", "correct"),
    "?": Verdict(False, None, "unparsed"),
    "!": Verdict(False, None, "error"),
}


def _graded(problem, answers, temperature):
    return [
        Graded(
            problem,
            sample,
            temperature,
            Completion(answer, sample + 1, -1.0, truncated=answer == "?"),
            CORRECT.get(answer, Verdict(False, answer, "wrong")),
        )
        for sample, answer in enumerate(answers)
    ]


def test_score_counts_what_was_graded():
    greedy = _graded(PROBLEMS[0], ["2"], 0.0) + _graded(PROBLEMS[1], ["?"], 0.0)
    sampled = _graded(PROBLEMS[0], ["2", "5", "2", "?"], 1.0) + _graded(PROBLEMS[1], ["!", "7", "7", "2"], 1.0)
    got = score(greedy, sampled, samples=4)
    assert (got.n, got.greedy, got.greedy_outcomes) == (2, 0.5, "10")
    assert (got.k, got.sample_counts, got.avg_k) == (4, [2, 1], 3 / 8)
    # 1 - C(n - c, k) / C(n, k): k = 2 gives 1 - 1/6 and 1 - 3/6.
    assert got.pass_k == pytest.approx({"1": 3 / 8, "2": (5 / 6 + 1 / 2) / 2, "4": 1.0})
    assert got.maj_k == 0.5
    assert (got.truncated, got.unparsed, got.verifier_errors) == (0.2, 0.2, 0.1)
    assert got.mean_length == (1 + 1 + 1 + 2 + 3 + 4 + 1 + 2 + 3 + 4) / 10
    assert got.problems_hash == problems_hash(PROBLEMS) != problems_hash(PROBLEMS[::-1])


def test_a_greedy_score_has_no_sampled_metrics():
    got = score(_graded(PROBLEMS[0], ["2"], 0.0), [], samples=0)
    assert (got.greedy, got.k, got.avg_k, got.pass_k, got.maj_k) == (1.0, 0, None, {}, None)


@pytest.mark.parametrize(("samples", "ks"), [(1, [1]), (4, [1, 2, 4]), (6, [1, 2, 4, 6]), (16, [1, 2, 4, 8, 16])])
def test_pass_at_powers_of_two_and_at_all(samples, ks):
    assert pass_ks(samples) == ks


def test_the_key_names_everything_that_changes_a_score():
    settings = EvaluateSettings()
    key = base_cache.key("base", "task", "test", settings, "fast", "blas")
    assert key == base_cache.key("base", "task", "test", settings, "fast", "blas")
    # Which other splits or tasks are scored beside this one is none of its business.
    assert key == base_cache.key(
        "base", "task", "test", settings.model_copy(update={"splits": ("test",)}), "fast", "blas"
    )
    others = {
        base_cache.key("base", "task", "test", settings, "fast", "onednn"),
        base_cache.key("base", "task", "test", settings, "fast", None),
        base_cache.key("other", "task", "test", settings, "fast", "blas"),
        base_cache.key("base", "other", "test", settings, "fast", "blas"),
        base_cache.key("base", "task", "validation", settings, "fast", "blas"),
        base_cache.key("base", "task", "test", settings, "hf", "blas"),
        *(
            base_cache.key("base", "task", "test", settings.model_copy(update=change), "fast", "blas")
            for change in ({"samples": 5}, {"seed": 1}, {"prompt": "none"}, {"temperature": 0.5}, {"max_new_tokens": 5})
        ),
    }
    assert len(others) == 11
    assert key not in others


def _computed(calls):
    def compute():
        with calls.open("a") as file:
            file.write("x")
        time.sleep(0.3)
        graded = _graded(PROBLEMS[0], ["2"], 0.0)
        return score(graded, [], 0), [one.row("sums", "test", 0) for one in graded]

    return compute


def _in_another_process(calls, results):
    results.put(base_cache.cached_score("base-0", _computed(calls)).model_dump_json())


def test_two_processes_compute_a_base_score_once(tmp_path, monkeypatch):
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path / "cache"))
    calls, context = tmp_path / "calls", multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=_in_another_process, args=(calls, results), daemon=True) for _ in range(3)]
    for process in processes:
        process.start()
    scores = {results.get(timeout=900) for _ in processes}
    for process in processes:
        process.join(900)
    assert calls.read_text() == "x"
    assert len(scores) == 1
    assert [(row["cell_id"], row["model"], row["completion"]) for row in read_samples("base-0")] == [
        ("base-0", "base", "2")
    ]


@pytest.mark.parametrize("damage", ["", "{", json.dumps({"n": 1, "unknown": 2})])
def test_a_damaged_cache_entry_is_computed_again(tmp_path, monkeypatch, damage):
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path / "cache"))
    first = base_cache.cached_score("base-0", _computed(tmp_path / "calls"))
    (tmp_path / "cache" / "base" / "base-0.json").write_text(damage)
    assert base_cache.cached_score("base-0", _computed(tmp_path / "calls")) == first
    assert isinstance(base_cache.cached_score("base-0", _computed(tmp_path / "calls")), Score)
    assert (tmp_path / "calls").read_text() == "xx"


def test_a_failed_computation_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path / "cache"))

    def fails():
        raise MemoryError

    with pytest.raises(MemoryError):
        base_cache.cached_score("base-0", fails)
    assert base_cache.cached_score("base-0", _computed(tmp_path / "calls")).greedy == 1.0

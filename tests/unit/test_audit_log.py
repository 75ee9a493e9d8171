"""Reading logs, and the rules that look at them."""

import json
from pathlib import Path
from typing import Any

import pytest

from rlvr_bench.audit.errors import AuditError, LacksData
from rlvr_bench.audit.registry import RULES
from rlvr_bench.audit.rule import Answer
from rlvr_bench.audit.subject import Subject
from rlvr_bench.audit.training_log import TrainingLog, read_log
from rlvr_bench.geometry.checkpoints import Checkpoint

NOTHING = Checkpoint(Path("base"), {}, {})


def judged(rule: str, entries: list[dict[str, float]], **options: Any) -> Answer:
    history = TrainingLog(Path("log.json"), [{"step": float(place + 1)} | entry for place, entry in enumerate(entries)])
    return RULES.find(rule).judge(Subject("base", "tuned", NOTHING, history=history, **options))


def written(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def test_trainer_state_keeps_metrics_settings_and_nan(tmp_path: Path) -> None:
    state = '{"log_history": [{"step": 2, "kl": NaN}, {"step": 1, "kl": 0.5, "note": "x"}], "train_batch_size": 8}'
    log = read_log(written(tmp_path / "trainer_state.json", state))
    assert [entry["step"] for entry in log.entries] == [1, 2] and log.settings["train_batch_size"] == 8
    assert log.values("kl") == [0.5] and log.names == {"kl"}


def test_a_number_that_overflows_is_infinite(tmp_path: Path) -> None:
    log = read_log(written(tmp_path / "a.jsonl", '{"step": 1, "kl": 1e308, "loss": 1}'))
    assert log.entries == [{"step": 1, "kl": float("inf"), "loss": 1}]


def test_exports_lose_their_prefixes(tmp_path: Path) -> None:
    table = read_log(written(tmp_path / "wandb.csv", "Step,my run - train/kl,my run - train/reward\n1,0.5,\n2,,0.25\n"))
    assert table.values("kl") == [0.5] and table.points("reward") == [(2, 0.25)]
    lines = '{"_step": 9, "train/global_step": 3, "train/entropy": 1.5}\n\n{"_step": 10, "runtime": 1}\n'
    export = read_log(written(tmp_path / "history.jsonl", lines))
    assert export.points("entropy") == [(3, 1.5)]


def test_verl_s_names_are_trl_s(tmp_path: Path) -> None:
    row = {"step": 1, "actor/entropy": 0.5, "response_length/clip_ratio": 0.25, "actor/lr": 1e-6}
    log = read_log(written(tmp_path / "verl.jsonl", json.dumps(row)))
    assert log.names == {"entropy", "completions/clipped_ratio", "learning_rate"}


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.json", "[" * 100_000, "is not JSON"),
        ("a.json", "{}", "no log_history"),
        ("a.json", '[{"kl": 1}]', "no row with a step"),
        ("a.csv", "kl\n1\n", "no row with a step"),
        ("a.csv", '"Step\n' + "1" * 200_000, "no CSV"),
        ("a.bin", "x", "is no log"),
        ("a.jsonl", '{"step": 1}\nnot json', "is not JSON"),
        ("a.json", '[{"step": 1e999}, {"step": -1}, {"step": true}]', "no row with a step"),
    ],
)
def test_what_is_no_log_is_one_sentence(name: str, content: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(AuditError, match=sentence) as error:
        read_log(written(tmp_path / name, content))
    assert "\n" not in str(error.value)


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AuditError, match="cannot be read as text"):
        read_log(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("rule", "values", "verdict"),
    [
        ("log_kl_start kl", [0.0, 0.1], "ok"),
        ("log_kl_start kl", [0.01, 0.1], "fault"),
        ("log_kl_estimator kl", [0.0, 0.1], "ok"),
        ("log_kl_estimator kl", [0.0, -0.1], "note"),
        ("log_entropy entropy", [1.0, 0.9, 0.8], "ok"),
        ("log_entropy entropy", [1.0, 0.5, 0.1], "note"),
        ("log_entropy entropy", [1.0, 0.5, 0.01], "fault"),
        ("log_zero_signal frac_reward_zero_std", [0.2, 0.4], "ok"),
        ("log_zero_signal frac_reward_zero_std", [0.6, 0.7], "note"),
        ("log_zero_signal frac_reward_zero_std", [1.0, 1.0], "fault"),
        ("log_truncation completions/clipped_ratio", [0.0, 0.05, 0.05], "ok"),
        ("log_truncation completions/clipped_ratio", [0.0, 0.1, 0.3], "note"),
        ("log_truncation completions/clipped_ratio", [0.0, 0.1, 0.6], "fault"),
        ("log_mismatch sampling/sampling_logp_difference/mean", [0.005, 0.006], "ok"),
        ("log_mismatch sampling/sampling_logp_difference/mean", [0.01, 0.05], "note"),
        ("log_mismatch sampling/sampling_logp_difference/mean", [0.2, 0.2], "fault"),
        ("log_clip clip_ratio/region_mean", [0.0, 0.01], "ok"),
        ("log_clip clip_ratio/region_mean", [0.3, 0.4], "fault"),
        ("log_learning_rate learning_rate", [1e-6, 1e-6], "ok"),
        ("log_learning_rate learning_rate", [1e-6, 0.0], "note"),
        ("log_learning_rate learning_rate", [0.0, 0.0], "fault"),
        ("log_grad_norm grad_norm", [1.0] * 40, "ok"),
        ("log_grad_norm grad_norm", [1.0] * 15 + [50.0, 1.0] * 4, "note"),
        ("log_finite loss", [1.0, float("inf")], "fault"),
        ("log_finite loss", [1.0, 2.0], "ok"),
        ("log_collapse reward", [0.5] * 100, "ok"),
        ("log_collapse reward", [0.8] * 30 + [0.1] * 70, "fault"),
    ],
)
def test_thresholds(rule: str, values: list[float], verdict: str) -> None:
    name, metric = rule.split()
    answer = judged(name, [{metric: value} for value in values])
    assert answer.verdict == verdict and answer.evidence and bool(answer.action) == (verdict != "ok")


def test_both_sides_of_the_clip_are_told_apart() -> None:
    answer = judged("log_clip", [{"clip_ratio/low_mean": 0.01, "clip_ratio/high_mean": 0.03}])
    assert answer.numbers == {"low": 0.01, "high": 0.03}


@pytest.mark.parametrize(
    ("rule", "entries", "lack"),
    [
        ("log_kl_start", [{"loss": 1.0}], "beta = 0"),
        ("log_kl_start", [{}, {"kl": 0.5}], "the KL at step 1"),
        ("log_entropy", [{"loss": 1.0}], "the metric entropy in log.json"),
        ("log_entropy", [{"entropy": float("nan")}], "the metric entropy"),
        ("log_collapse", [{"reward": 0.5}], "20 logged steps"),
        ("log_collapse", [{"reward": 2.5}] * 30, "within 0 and 1"),
    ],
)
def test_a_rule_names_what_it_lacks(rule: str, entries: list[dict[str, float]], lack: str) -> None:
    with pytest.raises(LacksData, match=lack):
        judged(rule, entries)


def test_power_needs_seeds_and_falls_with_problems() -> None:
    assert judged("claim_power", [{}]).verdict == "note"
    few, many = (judged("claim_power", [{}], seeds=10, problems=count).numbers["difference"] for count in (50, 5000))
    assert isinstance(few, float) and isinstance(many, float) and 0.01 < many < few < 0.5


def test_evidence_in_the_log_is_seen() -> None:
    alone = judged("claim_evidence", [{}])
    more = judged("claim_evidence", [{"eval_reward": 0.5}], seeds=5)
    assert alone.numbers["missing"] == 7 and more.numbers["missing"] == 5 and "seeds" not in more.evidence

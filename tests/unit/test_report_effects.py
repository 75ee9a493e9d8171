"""What the report says of how training changed the model: strategies, pass@k, budgets, learned rewards."""

from typing import Any

import pytest
from record_factory import record
from report_folder import variant

from rlvr_bench.record.behaviour import Behaviour
from rlvr_bench.record.schema import RunRecord, StepRecord
from rlvr_bench.report.contrasts import signal_phrase
from rlvr_bench.report.effects import effects


def _answers(worked: float, right: float) -> dict[str, Any]:
    direct = {"frequency": 1 - worked, "accuracy_with": 0.1, "accuracy_without": right}
    used = {"frequency": worked, "accuracy_with": right, "accuracy_without": 0.1}
    return {
        "strategies": {"worked": used, "direct": direct},
        "repetition": 0.0,
        "length_right": 20.0,
        "length_wrong": 22.0,
    }


def _behaviour(kept: tuple[int, int], left: tuple[int, int]) -> dict[str, Any]:
    none = {"problems": 0, "gained": 0}
    parts = {
        "with-with": dict(zip(("problems", "gained"), kept, strict=True)),
        "with-without": dict(zip(("problems", "gained"), left, strict=True)),
        "without-with": none,
        "without-without": none,
    }
    answers = {
        "split": "test",
        "problems": kept[0] + left[0],
        "base": _answers(0.9, 0.3),
        "tuned": _answers(0.5, 0.6),
        "transitions": {"worked": parts},
    }
    return {"behaviour": Behaviour.model_validate(answers).model_dump(mode="json")}


def _steps(run: RunRecord, slope: float) -> dict[str, list[StepRecord]]:
    lines = [
        {
            "step": i,
            "kl": 0.04 * i if i % 2 else None,
            "reward": slope * i,
            "accuracy": 1 - 0.1 * i,
            "flops": 1e9 * i,
            "labels": 64 * i,
            "strategy/worked": 0.1 * i,
        }
        for i in range(1, 6)
    ]
    return {run.cell_id: [StepRecord.model_validate(line) for line in lines]}


def test_the_parts_of_a_gain_are_shares_of_all_problems_and_means_over_seeds() -> None:
    runs = [
        record("full", 0).model_copy(update={"measurements": _behaviour((60, 20), (40, -10))}),
        record("full", 1).model_copy(update={"measurements": _behaviour((80, 20), (20, 0))}),
    ]
    found = effects(runs, _steps(runs[0], 0.1))["strategy"]
    assert found["name"] == "worked"
    assert found["transitions"]["with-with"] == {"problems": 0.7, "gained": 0.2}
    assert found["transitions"]["with-without"] == {"problems": 0.3, "gained": -0.05}
    assert (found["base"]["frequency"], found["tuned"]["frequency"]) == (0.9, 0.5)
    assert found["use"]["mean"] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])


def test_the_proxy_of_a_learned_reward_stands_against_the_root_of_the_kl_where_that_was_measured() -> None:
    run = record("full", 0)
    learned = variant(run, signal=run.cell["signal"] | {"type": "rlhf", "preference_pairs": 64})
    found = effects([learned], _steps(learned, 0.5))
    assert found["proxy"]["sqrt_kl"] == pytest.approx([0.2, 0.346, 0.447])  # steps 1, 3 and 5
    assert found["proxy"]["proxy"] == pytest.approx([0.5, 1.5, 2.5])
    assert found["proxy"]["gold"] == pytest.approx([0.9, 0.7, 0.5])
    assert "proxy" not in effects([run], _steps(run, 0.5))


def test_the_ledger_joins_what_was_spent_with_what_the_verifier_finds() -> None:
    run = record("full", 0)
    assert effects([run], _steps(run, 0.5))["ledger"] == {
        "flops": [1e9, 2e9, 3e9, 4e9, 5e9],
        "labels": [64, 128, 192, 256, 320],
        "accuracy": pytest.approx([0.9, 0.8, 0.7, 0.6, 0.5]),
    }
    assert effects([run], {}) == {}  # nothing but one pass@1, which is no curve


def test_signals_are_told_apart_by_what_a_reader_asks_for() -> None:
    assert signal_phrase({"type": "rlvr", "steps": 3}) == "rlvr"
    assert signal_phrase({"type": "sft", "teacher_accuracy": 1.0}) == "sft"
    assert signal_phrase({"type": "sft", "teacher_accuracy": 0.7}) == "sft, teacher accuracy 0.7"
    assert signal_phrase({"type": "rlhf", "preference_pairs": 64, "label_noise": 0.25}) == (
        "rlhf, preference pairs 64, label noise 0.25"
    )

"""Records: round trip, strict JSON, what is refused."""

import json
import math

import pytest
from pydantic import ValidationError
from record_factory import record, score

from rlvr_bench.record.numbers import strict_json
from rlvr_bench.record.schema import SCHEMA_FILE, RunRecord, Score, StepRecord, json_schema


def test_round_trip_and_equal_bytes() -> None:
    original = record("lora", 1, extra={"svamp": "0110"})
    again = RunRecord.model_validate_json(original.to_json())
    assert again == original
    assert again.to_json() == original.to_json()


def test_committed_json_schema_is_current() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == json_schema()


def test_undefined_numbers_are_null_never_zero_or_nan() -> None:
    step = StepRecord(step=1, reward=math.nan, kl=-math.inf, entropy=0.0)
    document = json.loads(step.to_json(), parse_constant=pytest.fail)
    assert document["reward"] is None and document["kl"] is None and document["entropy"] == 0.0
    assert document["grad_norm"] is None
    nested = strict_json({"b": [math.nan, 1.0], "a": {"x": math.inf}})
    assert nested == '{"a":{"x":null},"b":[null,1.0]}'


def test_free_parts_of_a_record_hold_no_nan() -> None:
    document = record().model_dump() | {
        "measurements": {"geometry": {"sparsity_bf16": math.nan, "null": {"x": [math.inf]}}}
    }
    assert RunRecord.model_validate(document).measurement("geometry") == {"sparsity_bf16": None, "null": {"x": [None]}}


def test_steps_keep_trl_names_and_further_metrics() -> None:
    metrics = {"clip_ratio/low_mean": 0.1, "completions/clipped_ratio": 0.5, "rewards/exact/mean": 0.25}
    step = StepRecord(step=3, **metrics)
    assert step.clip_ratio_low_mean == 0.1
    document = json.loads(step.to_json())
    assert metrics.items() <= document.items()
    assert StepRecord.model_validate(document) == step


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"greedy": 0.9}, "does not follow"),
        ({"greedy_outcomes": "01"}, "2 digits for n = 4"),
        ({"greedy_outcomes": "01x0"}, "pattern"),
        ({"sample_counts": [1, 2, 2, 0, 1]}, "5 entries for n = 4"),
        ({"sample_counts": []}, "0 entries for n = 4"),
        ({"sample_counts": [1, 2, 2]}, "does not follow"),
        ({"sample_counts": [0, 3, 2, 0]}, r"0\.\.2"),
        ({"avg_k": 0.0}, "does not follow"),
        ({"truncated": 1.5}, "less than or equal to 1"),
        ({"acuracy": 0.5}, "Extra inputs"),
    ],
)
def test_scores_that_do_not_add_up_are_refused(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Score.model_validate(score("0110").model_dump() | change)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"status": "failed"}, "needs a cause"),
        ({"accuracy": {}}, "needs accuracy"),
        ({"cell": {"seed": 1}}, "method_name"),
        ({"comparison": "../../etc"}, "pattern"),
        ({"cell_id": "../x"}, "pattern"),
    ],
)
def test_records_that_lack_what_their_status_says_are_refused(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        RunRecord.model_validate(record().model_dump() | change)


def test_parts_of_a_stage_are_not_counted_twice() -> None:
    assert record(seed=0).cost.total_seconds == 10.0

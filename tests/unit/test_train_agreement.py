"""Runs whose rollouts were of another policy are told from those that only rounded."""

import pytest

from rlvr_bench.record.schema import StepRecord
from rlvr_bench.train.agreement import MISMATCH, disagreements


def _steps(mismatch: float, first_kl: float | None) -> list[StepRecord]:
    return [
        StepRecord.model_validate({"step": step, "kl": first_kl if step == 1 else 0.3, f"{MISMATCH}/mean": mismatch})
        for step in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    ("mismatch", "first_kl", "precision", "starts_as_base", "faults"),
    [
        (1e-6, 1e-12, "fp32", True, 0),
        (1e-6, None, "fp32", True, 0),
        (5e-3, 1e-12, "fp32", True, 1),
        (5e-3, 1e-12, "bf16", True, 0),
        (0.059, 2.4e-3, "bf16", True, 0),  # SmolLM2, full fine-tuning
        (0.12, 2.4e-3, "bf16", True, 1),
        (1e-6, 1e-3, "fp32", True, 1),
        (1e-6, 1e-3, "fp32", False, 0),
        (0.5, 0.5, "bf16", True, 2),
    ],
)
def test_what_rounding_does_not_explain_is_a_sentence(
    mismatch: float, first_kl: float | None, precision: str, starts_as_base: bool, faults: int
) -> None:
    found = disagreements(_steps(mismatch, first_kl), precision, starts_as_base=starts_as_base)
    assert len(found) == faults


def test_a_run_without_rollout_steps_has_nothing_to_disagree() -> None:
    assert disagreements([], "fp32", starts_as_base=True) == []

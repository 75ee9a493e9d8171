"""Promises beside what became of them, and how a probe ages, as the report page shows them."""

from typing import Any

import pytest
from record_factory import record
from report_folder import material_of

from rlvr_bench.record.schema import RunRecord
from rlvr_bench.report.ageing import ageing
from rlvr_bench.report.document import document
from rlvr_bench.report.promises import broken_rate, promises


def _fresh(lost: float, low: float, high: float) -> dict[str, Any]:
    return {"problems": 500, "lost": lost, "lost_lo": low, "lost_hi": high, "dropped": 0.1, "tokens_share": 0.5}


def _promise(**kinds: Any) -> dict[str, Any]:
    terms = {"max_loss": 0.02, "max_dropped": 1.0, "confidence": 0.95, "problems": 400, "policy": "halve:every=4"}
    return {"base": "m", "frontier": [], "promise": terms | {"kinds": kinds}}


def _kind(policy: str, test: dict[str, Any] | None) -> dict[str, Any]:
    return {"policy": policy, "lost": 0.01} | ({} if test is None else {"test": test})


def test_a_promise_is_kept_or_broken_where_the_whole_interval_says_so() -> None:
    documents = {
        "study": _promise(
            halve=_kind("halve:every=4", _fresh(0.0, -0.01, 0.02)),
            keep=_kind("keep:count=1,at=2", _fresh(0.05, 0.03, 0.07)),
            drop=_kind("drop:count=1,every=4", _fresh(0.03, 0.01, 0.05)),
            threshold=_kind("threshold:least=0.2,every=4", None),
        )
    }
    lines = promises(documents, {})
    assert [line.get("state") for line in lines] == ["kept", "broken", "not decided", None]
    assert [line["chosen"] for line in lines] == [True, False, False, False]
    assert lines[-1]["missing"] == "not tried on fresh problems" and "lost" not in lines[-1]
    assert (lines[0]["max_loss"], lines[0]["confidence"], lines[0]["calibration"]) == (0.02, 0.95, 0.01)
    rate = broken_rate(lines)
    assert rate is not None and (rate["broken"], rate["tried"]) == (2, 3)
    # Clopper and Pearson's interval of 2 of 3, from their tables.
    assert (rate["low"], rate["high"]) == pytest.approx((0.0943, 0.9916), abs=1e-4)
    assert rate["promised"] == pytest.approx(0.05)


def test_what_was_not_promised_says_so() -> None:
    lines = promises({"none": {"base": "m", "frontier": []}, "nothing": _promise()}, {})
    assert "no promise was asked for" in lines[0]["missing"]
    assert lines[1]["missing"] == "nothing could be promised on 400 calibration problems"
    assert broken_rate(lines) is None


def test_of_further_trainings_those_with_a_promise_have_a_line() -> None:
    first, promised = {"base": "m", "frontier": []}, _promise(halve=_kind("halve:every=4", _fresh(0.0, -0.01, 0.02)))
    lines = promises({"study": first}, {"study-training-1": first, "study-training-2": promised})
    assert [line["name"] for line in lines] == ["study", "study-training-2"]


def _run(seed: int, **measurements: Any) -> RunRecord:
    return record(seed=seed).model_copy(update={"measurements": measurements})


def _read(curve: dict[int, tuple[float | None, float]]) -> dict[str, Any]:
    entries = [{"step": step, "aged": {"auroc": aged}, "fused": {"auroc": own}} for step, (aged, own) in curve.items()]
    return {"curve": entries, "base": {"auroc": 0.9}, "aged": {"auroc": 0.6}, "fused": {"auroc": 0.8}}


def test_ageing_is_the_mean_over_runs_by_step_and_leaves_out_what_is_undefined() -> None:
    runs = [
        _run(0, fused_probe=_read({0: (0.8, 0.8), 5: (0.7, 0.9), 10: (None, 0.9)})),
        _run(1, fused_probe=_read({0: (0.6, 0.6), 5: (0.5, 0.7)})),
        _run(2),
    ]
    (entry,) = ageing(runs)
    assert entry["runs"] == 2 and entry["fresh"] == {"base": 0.9, "aged": 0.6, "fused": 0.8}
    assert entry["curves"]["aged"] == {"step": [0, 5], "mean": [0.7, 0.6], "low": [0.6, 0.5], "high": [0.8, 0.7]}
    assert entry["curves"]["fused"]["step"] == [0, 5, 10]
    assert ageing(runs[2:]) == []


def test_both_are_on_the_page() -> None:
    content, _ = document(material_of([_run(0, fused_probe=_read({0: (0.8, 0.8)}))], []))
    assert len(content["ageing"]) == 1 and content["promises"] == {"lines": [], "rate": None}

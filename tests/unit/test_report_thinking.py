"""Promises beside what became of them, and how a probe ages, as the report page shows them."""

from typing import Any

import pytest
from record_factory import record
from report_folder import material_of
from scipy.stats import binomtest

from rlvr_bench.record.schema import RunRecord
from rlvr_bench.report.ageing import ageing
from rlvr_bench.report.document import document
from rlvr_bench.report.promises import promises


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
    found = promises(documents, {})
    lines = found["lines"]
    assert [line.get("state") for line in lines] == ["kept", "broken", "not decided", None]
    assert [line["shown"] for line in lines] == [True, False, False, False]
    assert lines[-1]["missing"] == "not tried on fresh problems" and "lost" not in lines[-1]
    assert (lines[0]["max_loss"], lines[0]["confidence"], lines[0]["calibration"]) == (0.02, 0.95, 0.01)
    rate = found["rate"]
    assert rate is not None and (rate["broken"], rate["tried"]) == (2, 3)
    # Clopper and Pearson's interval of 2 of 3, from their tables.
    assert (rate["low"], rate["high"]) == pytest.approx((0.0943, 0.9916), abs=1e-4)
    assert rate["promised"] == pytest.approx(0.05)


def test_what_was_not_promised_says_so() -> None:
    dear = _promise(halve=_kind("halve:every=4", None))
    dear["promise"]["policy"] = "full"
    found = promises({"none": {"base": "m", "frontier": []}, "nothing": _promise(), "dear": dear}, {})
    nothing, unused, kind = found["lines"]
    assert nothing["missing"] == "nothing could be promised on 400 calibration problems"
    assert (unused["missing"], kind["shown"]) == ("what can be promised saves no token, so all traces run", False)
    assert (found["without"], found["rate"], found["redrawn"]) == (["none"], None, [])


@pytest.mark.parametrize(
    "broken",
    [
        "yes",
        3,
        {"kinds": {}},
        _promise()["promise"] | {"kinds": ["halve"]},
        _promise()["promise"] | {"redrawn": {"draws": 0}},
    ],
)
def test_a_promise_that_cannot_be_read_costs_only_itself(broken: Any) -> None:
    sound = _promise(halve=_kind("halve:every=4", None))
    found = promises({"broken": {"frontier": [], "promise": broken}, "sound": sound}, {})
    assert [line["name"] for line in found["lines"]] == ["broken", "sound"]
    assert "cannot be read" in found["lines"][0]["missing"]


def test_of_further_trainings_those_with_a_promise_have_a_line() -> None:
    first, promised = {"base": "m", "frontier": []}, _promise(halve=_kind("halve:every=4", _fresh(0.0, -0.01, 0.02)))
    trainings = {"study-training-1": first, "study-training-2": promised, "study-training-3": promised}
    found = promises({"study": first}, trainings)
    lines = [(line["name"], line["shown"]) for line in found["lines"]]
    assert lines == [("study-training-2", True), ("study-training-3", False)] and found["without"] == ["study"]
    again = promises({"study": promised}, trainings)["lines"]
    assert [line["name"] for line in again if line["shown"]] == ["study"] and len(again) == 3


def test_draws_of_the_trainings_of_a_study_are_counted_together() -> None:
    def drawn(broken: int, tokens_share: float, pool: int = 800) -> dict[str, Any]:
        document = _promise(halve=_kind("halve:every=4", _fresh(0.0, -0.01, 0.02)))
        redrawn = {"draws": 400, "problems": 400, "pool": pool, "promised": 380, "broken": broken}
        document["promise"]["redrawn"] = redrawn | {"tokens_share": tokens_share}
        return document

    found = promises({"study": drawn(3, 0.4), "other": drawn(0, 0.9, pool=500)}, {"study-training-1": drawn(10, 0.6)})
    study, other = found["redrawn"]
    exact = binomtest(13, 800).proportion_ci()
    assert (study["name"], study["trainings"], study["draws"], study["pool"]) == ("study", 2, 800, 800)
    assert study["broken"] == pytest.approx({"mean": 13 / 800, "low": exact.low, "high": exact.high})
    assert (study["promised"], study["tokens_share"], study["most"]) == pytest.approx((0.95, 0.5, 0.05))
    assert (other["name"], other["trainings"], other["broken"]["mean"]) == ("other", 1, 0)


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
    assert len(content["ageing"]) == 1 and content["promises"] == {
        "lines": [],
        "redrawn": [],
        "without": [],
        "rate": None,
    }

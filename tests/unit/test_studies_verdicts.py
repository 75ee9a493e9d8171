"""Verdicts: a planted effect is found, its opposite contradicts, nothing decides nothing."""

from typing import Any

import pytest
from claim_evidence import WRITTEN, evidence_of, measured, planted, under

from rlvr_bench.studies.claim import Claim
from rlvr_bench.studies.contrasts import difference
from rlvr_bench.studies.derive import judge
from rlvr_bench.studies.errors import FindingsError
from rlvr_bench.studies.evidence import Evidence


def verdicts_of(evidence: list[Evidence], **changes: Any) -> list[str]:
    return [entry["verdict"] for entry in judge(Claim.model_validate(WRITTEN | changes), evidence)]


@pytest.mark.parametrize(("effect", "verdict"), [(0.2, "supported"), (0.0, "undecided"), (-0.2, "contradicted")])
def test_a_planted_effect_gives_its_verdict(effect: float, verdict: str) -> None:
    assert verdicts_of([planted(effect)]) == [verdict]


def test_a_claim_that_a_figure_is_below_is_the_mirror_image() -> None:
    assert verdicts_of([planted(-0.2)], side="below") == ["supported"]
    assert verdicts_of([planted(0.2)], side="below") == ["contradicted"]


def test_one_seed_a_side_decides_nothing_and_says_why() -> None:
    (entry,) = judge(Claim.model_validate(WRITTEN), [planted(0.2, seeds=1)])
    assert (entry["verdict"], entry["low"], entry["reason"]) == (
        "undecided",
        None,
        "paired by seed; too few seeds for an interval",
    )
    assert entry["estimate"] == pytest.approx(0.2, abs=0.05)


def test_without_records_a_claim_is_undecided_with_the_reason() -> None:
    (nothing,) = judge(Claim.model_validate(WRITTEN), [])
    assert (nothing["verdict"], nothing["reason"], nothing["base"]) == ("undecided", "no records", None)
    (half,) = judge(Claim.model_validate(WRITTEN), [evidence_of([measured("lora", 0, sparsity_bf16=0.1)])])
    assert half["reason"] == "no records with method_name = full"
    undefined = evidence_of([measured(method, 0, sparsity_bf16=None) for method in ("lora", "full")])
    assert judge(Claim.model_validate(WRITTEN), [undefined])[0]["reason"] == (
        "none of 1 records has geometry.sparsity_bf16"
    )


def test_each_base_has_a_verdict_of_its_own() -> None:
    first, second = planted(0.2), planted(-0.2)
    other = Evidence("smollm2", second.runs)
    assert verdicts_of([first, other]) == ["supported", "contradicted"]
    assert verdicts_of([first, other], bases=["smollm2", "gpt"]) == ["contradicted", "undecided"]


def test_strata_that_only_one_side_has_decide_nothing() -> None:
    records = [run.record for run in planted(0.2).runs]
    moved = [
        each.model_copy(update={"cell": each.cell | {"task": {"name": "elsewhere"}}})
        for each in records
        if each.keys.method_name == "lora"
    ]
    kept = [each for each in records if each.keys.method_name == "full"]
    (entry,) = judge(Claim.model_validate(WRITTEN), [evidence_of(moved + kept)])
    assert entry["reason"] == "no two records to compare agree in task.name"


def test_a_verdict_rests_on_the_newest_schema_that_has_enough_of_the_claim() -> None:
    claim = Claim.model_validate(WRITTEN)
    old = under(2, range(5), -0.2)

    def chosen(new: Evidence, older: Evidence = old) -> tuple[int, str, list[int]]:
        (entry,) = judge(claim, [new, older])
        return entry["result_schema"], entry["verdict"], entry["sides"]

    assert chosen(under(3, range(5), 0.2)) == (3, "supported", [5, 5])
    assert chosen(under(3, range(4), 0.2)) == (2, "contradicted", [5, 5]), "a seed is still to be run again"
    both = under(2, range(5), -0.2, ("chain", "sums"))
    assert chosen(under(3, range(5), 0.2), both)[0] == 2, "a setting is still to be run again"
    assert chosen(under(3, range(5), 0.2, ("chain", "sums")), both)[0] == 3
    assert chosen(under(3, range(2), 0.2), under(2, range(2), -0.2))[0] == 3, "where none has enough, the newest"
    assert chosen(Evidence("organism-steps", (), schema=3))[0] == 2, "nothing vanishes"


def test_a_difference_within_the_margin_is_negligible() -> None:
    near, far = planted(0.02, seeds=8), planted(0.2, seeds=8)
    assert verdicts_of([near]) == ["supported"]
    assert verdicts_of([near], margin=0.05) == ["negligible"]
    assert verdicts_of([far], margin=0.05) == ["supported"]
    assert verdicts_of([planted(0.0, seeds=2)], margin=0.001) == ["undecided"], "a wide interval shows no equivalence"
    (entry,) = judge(Claim.model_validate(WRITTEN | {"margin": 0.05}), [near])
    found = difference(near, **WRITTEN["arguments"])
    ends = [found.p_value(end) for end in (-0.05, 0.05)]
    assert entry["p"]["margin"] == pytest.approx(max(end for end in ends if end is not None), rel=1e-5)


def test_settings_of_a_claim_hold_for_all_sides() -> None:
    moved = under(2, range(3), -0.9, ("sums",))
    evidence = Evidence("organism-steps", (*under(2, range(3), 0.2).runs, *moved.runs), schema=2)
    claim = WRITTEN | {"settings": {"task.name": "chain"}}
    (before,) = judge(Claim.model_validate(claim), [under(2, range(3), 0.2)])
    (after,) = judge(Claim.model_validate(claim), [evidence])
    assert before["estimate"] == after["estimate"] and after["settings"] is None
    (drifting,) = judge(Claim.model_validate(WRITTEN), [evidence])
    assert drifting["estimate"] != before["estimate"]
    assert drifting["settings"]["count"] == 2 and drifting["settings"]["i_squared"] > 0.9


def test_an_unknown_analysis_or_argument_is_refused_with_one_sentence() -> None:
    with pytest.raises(FindingsError, match=r"claim W1: unknown analysis 'diference'.*did you mean"):
        judge(Claim.model_validate(WRITTEN | {"analysis": "diference"}), [])
    with pytest.raises(FindingsError, match=r"claim W1: analysis 'difference': .*it takes figure, a, b, match"):
        judge(Claim.model_validate(WRITTEN | {"arguments": {"figur": "x"}}), [])

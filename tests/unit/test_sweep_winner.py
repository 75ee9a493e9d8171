"""Who wins a tuning study, and what the leaderboard makes of rows inside and outside a protocol."""

from typing import Any

import pytest
from record_factory import ENVIRONMENT, outcomes, record, score

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.experiment import Experiment
from rlvr_bench.experiment.protocol import WITHOUT_HALVING, Protocol
from rlvr_bench.leaderboard.standings import leaderboard
from rlvr_bench.record.schema import Cause, RunRecord, Status
from rlvr_bench.sweep.protocol_trials import Selection, TuningStudy, Winner, final_cells, tuning_studies
from rlvr_bench.sweep.winner import decide

FILE: dict[str, Any] = {
    "name": "tuned",
    "seeds": [0, 1, 2],
    "bases": ["organism-steps"],
    "task": {"name": "chain", "levels": [2], "train": 64, "validation": 4, "test": 4},
    "signal": {"steps": 3},
    "protocol": {"trials": 4, "trial_seeds": [100, 101], **WITHOUT_HALVING},
    "methods": {"full": {"search": {"learning_rate": {"low": 1e-4, "high": 1e-2}}}, "lora": {"learning_rate": 1e-3}},
}
EXPERIMENT = Experiment.model_validate(FILE)
PROTOCOL = Protocol.model_validate(FILE["protocol"])


def study() -> TuningStudy:
    (only,) = tuning_studies(EXPERIMENT, PROTOCOL, Selection())
    return only


def trial_record(cell: Cell, share: float, status: Status = "done") -> RunRecord:
    """A record of a trial's cell with an accuracy of `share` in ten validation problems."""
    digits = "1" * round(10 * share) + "0" * (10 - round(10 * share))
    scores = {"chain": {"validation": score(digits)}}
    return RunRecord(
        cell=cell.model_dump(mode="json"),
        cell_id=cell.id,
        comparison=cell.comparison,
        status=status,
        cause=None if status in ("done", "collapsed") else Cause(type="OutOfMemoryError", message="no memory"),
        accuracy={} if status == "failed" else {"base": scores, "tuned": scores},
        environment=ENVIRONMENT,
    )


def records(held: TuningStudy, shares: list[float], **statuses: Status) -> dict[str, RunRecord]:
    """Records of all cells; `statuses` are those of trials, as `_2="failed"`, on their first seed."""
    found = {}
    for trial, share in zip(held.trials, shares, strict=True):
        for place, cell in enumerate(trial.cells):
            status = statuses.get(f"_{trial.number}", "done") if place == 0 else "done"
            found[cell.id] = trial_record(cell, share, status)
    return found


def test_the_planted_winner_is_found_and_carries_its_protocol() -> None:
    held = study()
    verdict = decide(held, PROTOCOL, records(held, [0.3, 0.5, 0.9, 0.4]))
    assert verdict.winner is held.trials[2]
    assert verdict.tuning is not None
    assert verdict.tuning.ranking == (2, 1, 3, 0)
    assert verdict.tuning.validation == pytest.approx((0.3, 0.5, 0.9, 0.4))
    assert verdict.tuning.cells == tuple(tuple(cell.id for cell in trial.cells) for trial in held.trials)
    assert verdict.tuning.protocol == PROTOCOL.hash


def test_a_failed_or_invalid_trial_cannot_win() -> None:
    held = study()
    for status in ("failed", "invalid"):
        verdict = decide(held, PROTOCOL, records(held, [0.3, 0.5, 0.9, 0.4], _2=status))
        assert verdict.winner is held.trials[1]
        assert verdict.tuning is not None
        assert verdict.tuning.validation[2] is None
        assert 2 not in verdict.tuning.ranking


def test_a_collapsed_trial_counts_with_its_final_accuracy_and_loses_ties() -> None:
    held = study()
    assert decide(held, PROTOCOL, records(held, [0.3, 0.5, 0.9, 0.4], _2="collapsed")).winner is held.trials[2]
    tied = decide(held, PROTOCOL, records(held, [0.3, 0.9, 0.9, 0.4], _1="collapsed"))
    assert tied.winner is held.trials[2]
    assert tied.tuning is not None
    assert tied.tuning.tied == 1


def test_a_tie_goes_to_the_lowest_learning_rate() -> None:
    held = study()
    verdict = decide(held, PROTOCOL, records(held, [0.5] * 4))
    assert verdict.winner == min(held.trials, key=lambda trial: trial.entry["learning_rate"])
    assert verdict.tuning is not None
    assert verdict.tuning.tied == 3


def test_a_tuning_study_with_a_missing_trial_is_not_decided() -> None:
    held = study()
    some = records(held, [0.5] * 4)
    del some[held.trials[3].cells[1].id]
    verdict = decide(held, PROTOCOL, some)
    assert verdict.winner is None
    assert "7 of 8 cells of its trials are done" in verdict.why


def test_a_tuning_study_in_which_all_fails_says_why() -> None:
    held = study()
    verdict = decide(held, PROTOCOL, records(held, [0.5] * 4, _0="failed", _1="failed", _2="failed", _3="invalid"))
    assert verdict.winner is None
    assert "none of its 4 trials has a result that counts; the last one: no memory" in verdict.why


def test_final_cells_carry_the_tuning_and_its_hash_is_in_their_id() -> None:
    held = study()
    verdict = decide(held, PROTOCOL, records(held, [0.3, 0.5, 0.9, 0.4]))
    assert verdict.winner is not None and verdict.tuning is not None
    tuned = Winner(held, verdict.winner.entry, verdict.tuning)
    grid = final_cells(EXPERIMENT, [tuned], Selection())
    assert [(cell.method_name, cell.seed) for cell in grid] == [(m, s) for s in (0, 1, 2) for m in ("lora", "full")]
    full = [cell for cell in grid if cell.method_name == "full"]
    assert {cell.learning_rate for cell in full} == {held.trials[2].entry["learning_rate"]}
    assert all(cell.tuning == verdict.tuning for cell in full)
    assert all(cell.tuning is None for cell in grid if cell.method_name == "lora")
    outside = final_cells(EXPERIMENT, [tuned._replace(tuning=None)], Selection())
    other = verdict.tuning.model_copy(update={"protocol": "0" * 12})
    again = final_cells(EXPERIMENT, [tuned._replace(tuning=other)], Selection())
    ids = [{cell.id for cell in cells if cell.method_name == "full"} for cells in (grid, outside, again)]
    assert not ids[0] & ids[1] and not ids[0] & ids[2] and not ids[1] & ids[2]
    assert {cell.comparison for cell in grid} == {cell.comparison for cell in outside}


@pytest.mark.parametrize(
    ("winner", "collapsed", "said"),
    [
        (1, 3, None),
        (0, 2, "lowest rate tried"),
        (3, 1, "highest rate tried"),
        (1, 2, "next higher rate collapsed"),
        (2, 1, "next lower rate collapsed"),
        (3, 2, "highest rate tried; next lower rate collapsed"),
    ],
)
def test_a_chosen_rate_at_an_edge_is_said(winner: int, collapsed: int, said: str | None) -> None:
    """`winner` and `collapsed` are places among the rates of the trials, the lowest first."""
    held = study()
    by_rate = sorted(held.trials, key=lambda trial: trial.entry["learning_rate"])
    shares = [0.9 if trial is by_rate[winner] else 0.4 for trial in held.trials]
    tried = records(held, shares, **{f"_{by_rate[collapsed].number}": "collapsed"})
    verdict = decide(held, PROTOCOL, tried)
    assert verdict.winner is by_rate[winner]
    final = final_cells(EXPERIMENT, [Winner(held, verdict.winner.entry, verdict.tuning)], Selection())
    tuned = [trial_record(cell, 0.5) for cell in final]
    rows = {str(s.row["method"]): s.row for s in leaderboard([*tried.values(), *tuned])}
    assert rows["full"]["lr_edge"] == said and rows["lora"]["lr_edge"] is None
    alone = {str(s.row["method"]): s.row for s in leaderboard(tuned)}
    assert alone["full"]["lr_edge"] is None  # without the records of its trials nothing is known


def tuned_record(method: str, seed: int, share: float, protocol: str | None) -> RunRecord:
    made = record(method, seed, outcomes(share, seed=seed))
    tuning = None if protocol is None else {"protocol": protocol, "trials": 8, "sampler": "qmc"}
    return made.model_copy(update={"cell": made.cell | {"tuning": tuning}})


def test_inside_a_protocol_alone_a_row_is_ranked() -> None:
    rows = {
        str(s.row["method"]): s.row
        for s in leaderboard(
            [tuned_record("lora", seed, 0.6, "3f2a1c000000") for seed in range(5)]
            + [tuned_record("full", seed, 0.7, "3f2a1c000000") for seed in range(5)]
            + [tuned_record("c3a", seed, 0.9, None) for seed in range(5)]
            + [tuned_record("mask", seed, 0.9, "777777000000") for seed in range(5)]
        )
    }
    assert rows["lora"]["status"] == rows["full"]["status"] == "ranked"
    assert rows["lora"]["tuning"] == "8 trials, qmc, 3f2a1c"
    assert str(rows["c3a"]["status"]).startswith("unranked: outside protocol 3f2a1c of its comparison")
    assert rows["c3a"]["tuning"] is None
    assert "tuned by protocol 777777, the rest of its comparison by 3f2a1c" in str(rows["mask"]["status"])
    assert not rows["c3a"]["rank_group"] and rows["base"]["rank_group"]


def test_without_a_protocol_nothing_changes() -> None:
    rows = [s.row for s in leaderboard([tuned_record("lora", seed, 0.6, None) for seed in range(5)])]
    assert {row["status"] for row in rows} == {"ranked", "reference"}


def test_the_same_settings_inside_and_outside_a_protocol_are_two_rows() -> None:
    inside = [tuned_record("lora", seed, 0.6, "3f2a1c000000") for seed in range(5)]
    outside = [tuned_record("lora", seed, 0.6, None) for seed in range(5)]
    rows = [s.row for s in leaderboard(inside + outside) if s.row["method"] == "lora"]
    assert sorted(str(row["tuning"]) for row in rows) == ["8 trials, qmc, 3f2a1c", "None"]

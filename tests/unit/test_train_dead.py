"""Which trials are dead, by what was right of their rollouts."""

import pytest

from rlvr_bench.experiment.experiment import Experiment
from rlvr_bench.experiment.protocol import Protocol
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.sweep.protocol_trials import Selection, Winner, final_cells, tuning_studies
from rlvr_bench.train.dead import is_dead


def steps(*accuracies: float | None) -> list[StepRecord]:
    return [StepRecord(step=number, accuracy=accuracy) for number, accuracy in enumerate(accuracies, 1)]


@pytest.mark.parametrize(
    ("accuracies", "dead"),
    [
        ((0.3, 0.1, 0.0, 0.0), True),
        ((0.3, 0.0, 0.1, 0.0), False),
        ((0.3, 0.1, 0.1, 0.0), False),
        ((0.0, 0.0, 0.0, 0.0), False),  # nothing was ever right: a sparse reward may come late
        ((0.3, None, None, None), False),  # nothing was sampled
        ((0.3, None, 0.0, None), True),
        ((0.0, 0.0), False),
        ((), False),
    ],
)
def test_a_run_is_dead_if_nothing_is_right_over_a_share_of_its_steps(
    accuracies: tuple[float | None, ...], dead: bool
) -> None:
    assert is_dead(steps(*accuracies), planned=10, share=0.2) is dead


def experiment(**protocol: object) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "tuned",
            "seeds": [0, 1, 2],
            "bases": ["organism-steps"],
            "task": {"name": "chain", "levels": [2], "train": 64, "validation": 4, "test": 4},
            "signal": {"steps": 3},
            "methods": {"full": {"search": {"learning_rate": {"low": 1e-4, "high": 1e-2}}}},
            "protocol": {"trials": 2, "extensions": 0, **protocol},
        }
    )


def test_the_rule_is_part_of_a_trial_and_never_of_a_final_cell() -> None:
    grids = []
    for asked in (experiment(), experiment(stop_dead=0.25)):
        assert asked.protocol is not None
        (study,) = tuning_studies(asked, asked.protocol, Selection())
        final = final_cells(asked, [Winner(study, study.trials[0].entry, None)], Selection())
        grids.append((study.trials[0].cells, final))
    (plain, plain_final), (ruled, ruled_final) = grids
    assert [cell.stop_dead for cell in ruled] == [0.25] * len(ruled)
    assert not {cell.id for cell in plain} & {cell.id for cell in ruled}
    assert plain[0].comparison == ruled[0].comparison
    assert [cell.id for cell in plain_final] == [cell.id for cell in ruled_final]


def test_a_protocol_without_the_rule_keeps_its_hash() -> None:
    assert Protocol(stop_dead=None).hash == Protocol().hash != Protocol(stop_dead=0.25).hash

"""The `dpo` signal on a tiny random model: its pairs, its loss against plain torch, what it pays and refuses."""

import copy
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from signal_runs import PROBLEMS, Lenient, Start, settings_of
from torch.nn import functional

from rlvr_bench.models.base import LoadedBase
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.tasks.problem import Verdict
from rlvr_bench.train import dpo
from rlvr_bench.train.drawing import Draw, draw
from rlvr_bench.train.preferences import Preference
from rlvr_bench.train.supervised import example
from rlvr_bench.train.training_run import TrainingRun


def _train(run: TrainingRun[Any]) -> list[StepRecord]:
    return dpo.train(run, lambda step: None)[0]


def _log_prob(model: Any, run: TrainingRun[Any], place: int, text: str) -> torch.Tensor:
    """The sum over a completion's tokens, its EOS included, in float64."""
    each = example(run, place, text)
    logits = model(input_ids=torch.tensor([each.prompt + each.completion])).logits[0].double()
    log_probs = torch.log_softmax(logits, dim=-1)[len(each.prompt) - 1 : -1]
    return log_probs.gather(-1, torch.tensor(each.completion)[:, None]).sum()


PAIRS = [Preference(place, "12", "123") for place in range(8)]


def test_the_dpo_loss_is_that_of_plain_torch(base: LoadedBase, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dpo, "verified_pairs", lambda _: PAIRS)
    run = start("dpo", steps=2, batch_size=16, kl_weight=0.3, rate=1e-2)
    steps = _train(run)
    assert steps[0].loss == pytest.approx(math.log(2), abs=1e-6), "the policy is the reference at the first step"

    # The first step in plain torch, then the loss of the second.
    policy, reference = copy.deepcopy(base.model), base.model
    optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-2, betas=(0.9, 0.999), weight_decay=0.0)
    losses = []
    for _ in range(2):
        margins = [
            _log_prob(policy, run, pair.place, pair.chosen)
            - _log_prob(reference, run, pair.place, pair.chosen).detach()
            - _log_prob(policy, run, pair.place, pair.rejected)
            + _log_prob(reference, run, pair.place, pair.rejected).detach()
            for pair in PAIRS
        ]
        loss = -functional.logsigmoid(0.3 * torch.stack(margins)).mean()
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.step()
    assert steps[1].loss == pytest.approx(losses[1], rel=1e-3)
    assert losses[1] < losses[0] - 0.01


def test_the_verified_pairs_are_right_and_wrong_ones_of_one_problem(start: Start) -> None:
    run = start("dpo", sampled_problems=16, group_size=8, pairs_per_problem=2)
    pairs = dpo.verified_pairs(run)
    assert pairs and all(len(pair.chosen) % 2 == 0 and len(pair.rejected) % 2 == 1 for pair in pairs)
    places = [pair.place for pair in pairs]
    assert max(places.count(place) for place in places) <= 2
    assert len({(pair.place, text) for pair in pairs for text in (pair.chosen, pair.rejected)}) == 2 * len(pairs)
    assert (run.meter.verdicts, run.meter.labels) == (128, 128)
    assert run.meter.generated_tokens > 0


def test_the_pairs_follow_from_the_seed_alone(start: Start) -> None:
    assert dpo.verified_pairs(start("dpo")) == dpo.verified_pairs(start("dpo", "lora"))


def test_a_completion_that_was_cut_off_is_in_no_pair(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def last_four_cut(run: TrainingRun[Any], places: list[int], each: int, seed: int) -> Draw:
        drawn = draw(run, places, each, seed)
        texts = [
            f"{place}{'#' * (row % 8)}" for row, place in enumerate(place for place in places for _ in range(each))
        ]
        verdicts = [Verdict(row % 2 == 0, None, "correct" if row % 2 == 0 else "wrong") for row in range(len(texts))]
        return replace(drawn, texts=texts, verdicts=verdicts, truncated=[row % 8 > 3 for row in range(len(texts))])

    monkeypatch.setattr(dpo, "draw", last_four_cut)
    pairs = dpo.verified_pairs(start("dpo"))
    assert len(pairs) == 16 * 2
    assert {pair.chosen.count("#") for pair in pairs} == {0, 2}
    assert {pair.rejected.count("#") for pair in pairs} == {1, 3}


@pytest.mark.parametrize("right", [True, False])
def test_a_base_that_is_always_or_never_right_is_refused(
    right: bool, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lenient, "verify", lambda *_: Verdict(right, None, "correct" if right else "wrong"))
    count = 128 if right else 0
    with pytest.raises(ValueError, match=rf"none of 16 problems has a right and a wrong .*\({count} of 128"):
        _train(start("dpo"))


def test_a_budget_of_labels_is_what_is_verified(start: Start) -> None:
    run = start("dpo", match="labels", budget=100)
    _train(run)
    ledger = run.meter.ledger(run.settings)
    assert (ledger.verdicts, ledger.preference_pairs, ledger.used_up) == (96, 0, True)


def test_training_on_pairs_leaves_no_patch_on_either_model(start: Start) -> None:
    run = start("dpo")
    steps = _train(run)
    assert "forward" not in run.handle.model.__dict__ and "forward" not in run.reference.__dict__
    assert not any(parameter.requires_grad for parameter in run.reference.parameters())
    assert [step.accuracy is not None for step in steps] == [True, False, True, True]
    assert (steps[-1].model_extra or {})["rewards/margins"] != 0.0


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"batch_size": 9}, "batch_size = 9 splits a pair of completions; make it even"),
        ({"micro_batch": 1}, "micro_batch = 1 splits a pair of completions; make it even"),
        ({"micro_batch": 6}, "micro_batch = 6 does not divide batch_size = 8"),
        ({"match": "labels", "budget": 7}, "budget = 7 labels do not pay for the 8 completions of one problem"),
        ({"kl_weight": 0}, "greater than 0"),
        ({"group_size": 1}, "greater than or equal to 2"),
    ],
)
def test_settings_that_make_no_pairs_are_refused(keys: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        settings_of("dpo", **keys)


def test_there_are_enough_problems(start: Start) -> None:
    assert start("dpo").settings.problems_needed == 16 <= len(PROBLEMS)

"""A probe's score as GRPO's reward and as a filter of groups: what is paid, what is learned from, and the control."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from generate_models import tiny_model
from launch_fixture import save_tiny_base, write_experiment
from signal_runs import Start, starter
from transformers import PreTrainedModel

from rlvr_bench.cell.run import run_cell
from rlvr_bench.experiment.experiment import load as load_experiment
from rlvr_bench.experiment.grid import cells
from rlvr_bench.measure.intervention import Intervention
from rlvr_bench.measure.rollouts import Rollouts
from rlvr_bench.models.base import LoadedBase, load
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.studies.thinking.interventions import DropGroups, ProbeReward
from rlvr_bench.studies.thinking.probed_rollouts import DroppedGroups, PaidByProbe, expected_signal
from rlvr_bench.tasks.problem import Problem, Verdict
from rlvr_bench.train import rlvr

SCORER = {"rank": 2, "batch_size": 8}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> LoadedBase:
    return load(BaseConfig(name=str(save_tiny_base(tmp_path_factory.mktemp("base") / "tiny"))))


def _batch(model: PreTrainedModel, step: int = 0, groups: int = 4, size: int = 4) -> Rollouts:
    count = groups * size
    tokens = torch.randint(10, 60, (count, 8), generator=torch.Generator().manual_seed(step)).tolist()
    verdicts = [Verdict(row % 2 == 0, "1", "correct" if row % 2 == 0 else "wrong") for row in range(count)]
    problems = [Problem(f"{row // size:016x}", "0", "x") for row in range(count)]
    same = [[5, 6]] * count, tokens, [""] * count, [False] * count
    return Rollouts(step, problems, *same, verdicts, lambda: nullcontext(model))


class _Fixed:
    """In the place of the probes: gives every completion of a group the group's own score."""

    def __init__(self, by_group: list[float], size: int = 4) -> None:
        self.scores = [score for score in by_group for _ in range(size)]
        self.learned: list[str] = []

    def follow(self, model: object) -> None:
        pass

    def ends(self, name: str, traces: object) -> list[float]:
        return self.scores

    def learn(self, traces: list[Any]) -> None:
        self.learned += [trace.problem for trace in traces]


def _with(intervention: Any, probes: _Fixed) -> Any:
    intervention._probes = probes
    return intervention


@pytest.mark.parametrize("weight", [0.25, 1.0])
def test_the_reward_is_a_mixture_of_what_is_paid_and_of_the_probes_score(weight: float) -> None:
    probes = _Fixed([0.0, 0.2, 0.6, 1.0])
    paid = _with(PaidByProbe(ProbeReward(weight=weight)), probes).paid(_batch(tiny_model()), [1.0] * 16)
    assert paid == pytest.approx([(1 - weight) + weight * score for score in probes.scores])
    assert not probes.learned


def test_groups_without_signal_to_expect_are_dropped_and_nothing_is_learned_of_them() -> None:
    probes = _Fixed([0.5, 0.02, 0.97, 0.3])
    filtered = _with(DroppedGroups(DropGroups(share=0.5, learns=True)), probes)
    assert filtered.kept(_batch(tiny_model())) == [True] * 4 + [False] * 8 + [True] * 4
    names = [problem.id for problem in _batch(tiny_model()).problems]
    assert set(probes.learned) == {names[0], names[-1]}
    everything = _with(DroppedGroups(DropGroups(share=0.99)), _Fixed([0.5, 0.02, 0.97, 0.3]))
    assert sum(everything.kept(_batch(tiny_model()))) == 4


def test_the_control_drops_as_many_groups_whatever_the_probe_says_and_others_in_every_batch() -> None:
    control, model = DroppedGroups(DropGroups(by="random", share=0.5)), tiny_model()
    kept = [control.kept(_batch(model, step)) for step in range(40)]
    assert {sum(each) for each in kept} == {8}
    assert all(len(set(each[start : start + 4])) == 1 for each in kept for start in range(0, 16, 4))
    dropped = [sum(not each[start] for each in kept) for start in range(0, 16, 4)]
    assert min(dropped) > 8  # of 40, 20 to be expected
    again = DroppedGroups(DropGroups(by="random", share=0.5))
    assert [again.kept(_batch(model, step)) for step in range(40)] == kept


def test_the_signal_to_expect_is_the_variance_of_a_verdict() -> None:
    signal = expected_signal(["a", "a", "b", "b"], [0.0, 1.0, 0.9, 0.9])
    assert signal == pytest.approx({"a": 0.25, "b": 0.09})


class _Keep(Intervention[Any]):
    """Keeps the first group of every batch."""

    def kept(self, batch: Rollouts) -> list[bool]:
        return [problem.id == batch.problems[0].id for problem in batch.problems]


class _Pay(Intervention[Any]):
    def paid(self, batch: Rollouts, rewards: list[float]) -> list[float]:
        return [2 * reward for reward in rewards]


class _Nothing(Intervention[Any]):
    pass


def _trained(start: Start, *interventions: Intervention[Any], **keys: Any) -> tuple[list[StepRecord], list[Any]]:
    torch.manual_seed(7)
    run = replace(start("rlvr", rate=1e-2, **keys), interventions=interventions)
    steps, _ = rlvr.train(run, lambda step: None)
    return steps, [tensor.clone() for _, tensor in run.handle.effective_weights()]


def test_what_is_dropped_has_no_part_in_the_update(base: LoadedBase, tmp_path: Path) -> None:
    start = starter(base, tmp_path)
    plain_steps, plain = _trained(start)
    steps, filtered = _trained(start, _Keep(DropGroups()))
    _, idle = _trained(start, _Nothing(DropGroups()))
    assert all(map(torch.equal, plain, idle))
    assert not all(map(torch.equal, plain, filtered))
    assert [(step.model_extra or {})["rollouts_kept"] for step in steps] == [0.5] * len(steps)
    assert plain_steps[0].reward == steps[0].reward and "rollouts_kept" not in (plain_steps[0].model_extra or {})


def test_what_is_paid_is_what_is_recorded_as_reward(base: LoadedBase, tmp_path: Path) -> None:
    start = starter(base, tmp_path)
    plain, _ = _trained(start)
    paid, _ = _trained(start, _Pay(ProbeReward()))
    assert paid[0].reward == pytest.approx(2 * plain[0].reward) and paid[0].accuracy == plain[0].accuracy


def test_a_probe_reads_the_policy_of_a_run_and_is_refused_where_there_are_no_plain_weights(
    base: LoadedBase, tmp_path: Path
) -> None:
    start, rewarded = starter(base, tmp_path), PaidByProbe(ProbeReward.model_validate({"scorer": SCORER}))
    steps, _ = _trained(start, rewarded)
    assert all(0 < step.reward < 1 for step in steps) and steps[0].reward != steps[0].accuracy
    handle = start("rlvr").handle
    handle.mergeable = False
    with pytest.raises(ValueError, match="reads plain weights"):
        rewarded.training_begins(handle)


def test_a_cell_trains_the_probe_of_its_base_before_it_filters_or_pays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        "rlvr_bench.thinking.sampling.Asker.verdict",
        lambda self, text, problem, truncated: Verdict(len(text) % 2 == 0, text, "correct"),
    )
    write_experiment(tmp_path, save_tiny_base(tmp_path / "tiny-base"))
    path = tmp_path / "tiny.toml"
    probe = (
        "traces = { samples = 2, train_problems = 8, validation_problems = 4, test_problems = 4, max_new_tokens = 8 },"
        " scorer = { rank = 2 }"
    )
    tables = f"interventions = [{{ drop_groups = {{ learns = true, {probe} }}, probe_reward = {{ {probe} }} }}]\n"
    path.write_text(tables + path.read_text(encoding="utf-8"), encoding="utf-8")
    (cell,) = cells(load_experiment(str(path)), only="lora", seeds=(0,))
    result = run_cell(cell, lambda event: None)
    assert result is not None and result.record.status == "done"
    assert all((step.model_extra or {})["rollouts_kept"] == 0.5 for step in result.steps)
    assert all(0 < step.reward < 1 for step in result.steps)
    assert len(list((tmp_path / "cache").rglob("probe.safetensors"))) == 1

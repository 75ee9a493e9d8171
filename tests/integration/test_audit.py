"""`rlvr-bench audit` on what TRL and PEFT write: a clean run has no fault, and each planted fault only its own."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from audit_runs import BASE, TARGETS, Tensors, copied, faults, merged, trained, verdicts
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from rlvr_bench.audit.errors import AuditError
from rlvr_bench.audit.subject import FactorPairs, open_subject
from rlvr_bench.cli.entry import main
from rlvr_bench.geometry.pairs import open_pairs
from rlvr_bench.models.errors import ModelError

Entries = list[dict[str, Any]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("trl") / "out")


@pytest.fixture(scope="module")
def whole(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return merged(run, tmp_path_factory.mktemp("merged") / "whole")


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Any]]:
    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setattr(sys, "argv", ["rlvr-bench", "audit", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        written = capsys.readouterr()
        return int(stop.value.code or 0), written.out, written.err

    yield call


def test_a_clean_run_has_no_fault(run: Path, whole: Path) -> None:
    logs = [run / "trainer_state.json", run.parent / "completions"]
    said = verdicts(run, claim="lora", merged=str(whole), logs=logs, seeds=5, problems=500)
    assert "fault" not in said.values()
    lacking = {name for name, verdict in said.items() if verdict == "cannot say"}
    assert lacking == {"log_mismatch", "log_collapse", "completions_truncated"}
    assert faults(whole, claim="lora", rank=4) == set()


def _edit(name: str, edit: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Tensors], None]:
    def change(tensors: Tensors) -> None:
        found = next(each for each in tensors if each.endswith(name))
        tensors[found] = edit(tensors[found].clone())

    return change


def _add_noise(tensor: torch.Tensor) -> torch.Tensor:
    return tensor + 0.01 * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(1))


def _double(tensors: Tensors) -> None:
    base = load_file(BASE / "model.safetensors")
    for name in tensors:
        if any(target in name for target in TARGETS):
            tensors[name] = 2 * tensors[name] - base[name].float()


@pytest.mark.parametrize(
    ("rule", "config"),
    [
        ("adapter_rank", {"r": 8, "lora_alpha": 16}),
        ("adapter_modules", {"target_modules": ["q_proj"]}),
        ("adapter_modules", {"target_modules": [*TARGETS, "o_proj"]}),
        ("adapter_scaling", {"lora_alpha": -1}),
        ("claimed_method", {"peft_type": "LORA", "use_dora": False, "claim": "pissa"}),
        ("adapter_scaling", {"use_rslora": True}),
    ],
)
def test_a_wrong_configuration_is_one_fault(rule: str, config: dict[str, Any], run: Path, tmp_path: Path) -> None:
    claim = config.pop("claim", "lora")
    assert faults(copied(run, tmp_path / "adapter", **config), claim=claim) == {rule}


@pytest.mark.parametrize(
    ("rule", "edit"),
    [
        ("tied_embedding", _edit("embed_tokens.weight", _add_noise)),
        ("frozen_tensors", _edit("layernorm.weight", _add_noise)),
        ("frozen_tensors", _edit("o_proj.weight", _add_noise)),
        ("merge_error", _double),
        ("merge_error", _edit("q_proj.weight", _add_noise)),
        ("weights_finite", _edit("q_proj.weight", lambda tensor: tensor.index_fill(0, torch.tensor([0]), torch.nan))),
    ],
)
def test_a_wrong_merge_is_one_fault(
    rule: str, edit: Callable[[Tensors], None], run: Path, whole: Path, tmp_path: Path
) -> None:
    assert faults(run, claim="lora", merged=str(copied(whole, tmp_path / "merged", edit))) == {rule}


def test_an_adapter_that_learned_nothing(run: Path, tmp_path: Path) -> None:
    def empty(tensors: Tensors) -> None:
        tensors.update({name: tensor * ("lora_A" in name) for name, tensor in tensors.items()})

    assert faults(copied(run, tmp_path / "adapter", empty)) == {"weights_moved"}


def test_an_adapter_with_nan(run: Path, tmp_path: Path) -> None:
    def spoil(tensors: Tensors) -> None:
        next(iter(tensors.values()))[0, 0] = torch.nan

    assert faults(copied(run, tmp_path / "adapter", spoil), claim="lora") == {"weights_finite"}


def test_another_base(run: Path, whole: Path, tmp_path: Path) -> None:
    def nudge(tensors: Tensors) -> None:
        tensors.update({name: _add_noise(tensor) for name, tensor in tensors.items()})

    other = copied(BASE, tmp_path / "base", nudge)
    assert faults(run, base=other) == {"base_identity"}  # the adapter names the folder of its base
    assert faults(whole, base=other, claim="lora", rank=4) == {"base_identity"}


def test_an_adapter_of_a_residual_base(tmp_path: Path) -> None:
    _adapter(LoraConfig(r=4, init_lora_weights="pissa", target_modules=TARGETS), tmp_path / "pissa")
    assert faults(tmp_path / "pissa", claim="pissa") == set()
    plain = copied(tmp_path / "pissa", tmp_path / "plain", init_lora_weights=True)
    assert faults(plain, claim="lora") == {"base_identity"}
    assert faults(tmp_path / "pissa", claim="lora") == {"claimed_method"}


PLAIN = {
    "rslora": LoraConfig(r=4, use_rslora=True, target_modules=TARGETS),
    "patterns": LoraConfig(r=4, target_modules=TARGETS, rank_pattern={"q_proj": 2}, alpha_pattern={"v_proj": 3}),
    "embedding": LoraConfig(r=4, target_modules=[*TARGETS, "embed_tokens"]),
    "norms": LoraConfig(r=4, target_modules=TARGETS, modules_to_save=["norm"]),
    "rank above a side": LoraConfig(r=200, target_modules=TARGETS),
}


def _adapter(config: LoraConfig, folder: Path) -> Path:
    adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32), config)
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter += 0.01 * torch.randn_like(parameter)
    adapted.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", PLAIN)
def test_updates_read_from_the_factors_are_those_that_peft_merges(name: str, tmp_path: Path) -> None:
    subject = open_subject(str(BASE), str(_adapter(PLAIN[name], tmp_path / "adapter")))
    assert isinstance(subject.pairs, FactorPairs)
    wanted = {each: after.clone() for each, _, after in open_pairs(str(BASE), subject.tuned, lambda *_: None).tensors}
    for each in subject.pairs.names:
        assert torch.allclose(subject.pairs.read(each)[1], wanted.pop(each), atol=1e-6), each
    for each, after in wanted.items():
        assert torch.equal(subject.before.read(each).float(), after), each
    said = faults(Path(subject.tuned), claim="rslora" if name == "rslora" else "lora")
    assert said == ({"tied_embedding"} if name == "embedding" else set())


def test_dora_is_merged_by_peft_and_is_no_plain_lora(tmp_path: Path) -> None:
    folder = _adapter(LoraConfig(r=4, use_dora=True, target_modules=TARGETS), tmp_path / "dora")
    assert faults(folder, claim="dora") == set()
    assert faults(folder, claim="lora") == {"claimed_method"}


def _full(folder: Path, *endings: str) -> Path:
    """Move all tensors, or those with these endings, by dense noise."""

    def nudge(tensors: Tensors) -> None:
        moved = {name for name in tensors if not endings or name.endswith(endings)}
        tensors.update({name: tensors[name] + 1e-3 * torch.randn_like(tensors[name]) for name in moved})

    return copied(BASE, folder, nudge)


def test_a_full_checkpoint_against_its_claims(tmp_path: Path) -> None:
    every = _full(tmp_path / "every")
    assert faults(every, claim="full") == set()
    assert faults(every, claim="mask") == {"claimed_method"}
    assert faults(_full(tmp_path / "part", "q_proj.weight"), claim="full") == {"claimed_method"}
    assert faults(tmp_path / "part", claim="lora", rank=4) == {"update_rank"}
    bits = copied(
        every, tmp_path / "bits", lambda tensors: tensors.update({n: t.bfloat16() for n, t in tensors.items()})
    )
    assert faults(bits, claim="full") == set()


def _steps(values: list[float], name: str) -> Callable[[Entries], None]:
    def change(entries: Entries) -> None:
        for entry, value in zip(entries, values, strict=False):
            entry[name] = value

    return change


LOGS = {
    "log_kl_start": _steps([0.2, 0.2, 0.2], "kl"),
    "log_entropy": _steps([2.0, 0.5, 0.01], "entropy"),
    "log_zero_signal": _steps([1.0, 1.0, 1.0], "frac_reward_zero_std"),
    "log_truncation": _steps([0.7, 0.9, 1.0], "completions/clipped_ratio"),
    "log_mismatch": _steps([0.2, 0.3, 0.4], "sampling/sampling_logp_difference/mean"),
    "log_finite": _steps([0.1, float("nan"), 0.1], "loss"),
    "log_learning_rate": _steps([0.0, 0.0, 0.0], "learning_rate"),
    "log_clip": _steps([0.3, 0.4, 0.5], "clip_ratio/high_mean"),
    "log_grad_norm": _steps([0.0, 0.0, 0.0], "grad_norm"),
}


@pytest.mark.parametrize("rule", LOGS)
def test_an_unhealthy_log_is_one_fault(rule: str, run: Path, tmp_path: Path) -> None:
    state = json.loads((run / "trainer_state.json").read_text())
    LOGS[rule](state["log_history"])
    (tmp_path / "trainer_state.json").write_text(json.dumps(state))
    assert faults(run, claim="lora", logs=[tmp_path / "trainer_state.json"]) == {rule}


def test_a_wandb_export_with_missing_columns_names_what_it_lacks(run: Path, tmp_path: Path) -> None:
    export = tmp_path / "wandb.csv"
    export.write_text("Step,run - train/kl,run - train/kl__MIN\n1,0.0,0.0\n2,0.001,0.001\n")
    said = verdicts(run, logs=[export])
    assert "fault" not in said.values()
    assert said["log_kl_start"] == "ok" and said["log_entropy"] == said["log_clip"] == "cannot say"


def _pickled(folder: Path) -> None:
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")


def _cut(folder: Path) -> None:
    file = folder / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def _nested(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("[" * 100_000)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [(_pickled, "only pickled weights"), (_cut, "no whole safetensors"), (_nested, "readable JSON")],
)
def test_what_cannot_be_read_is_one_sentence(
    damage: Callable[[Path], None], sentence: str, run: Path, tmp_path: Path, invoke: Callable[..., Any]
) -> None:
    folder = shutil.copytree(run, tmp_path / "adapter")
    damage(folder)
    code, out, err = invoke(BASE, folder)
    assert (code, out) == (2, "") and sentence in err and len(err.strip().splitlines()) == 1


def test_other_input_that_cannot_be_used(run: Path, tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="a trainer's output folder: give one of its checkpoints"):
        open_subject(str(BASE), str(run.parent))
    with pytest.raises(AuditError, match="did you mean 'pissa'"):
        open_subject(str(BASE), str(run), claim="pisa")
    with pytest.raises(AuditError, match="no such file"):
        open_subject(str(BASE), str(run), logs=[tmp_path / "none.json"])
    whole = shutil.copytree(BASE, tmp_path / "whole")
    file = whole / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ModelError, match="no whole safetensors"):
        open_subject(str(BASE), str(whole))


def test_the_command_writes_a_table_json_and_a_page(run: Path, tmp_path: Path, invoke: Callable[..., Any]) -> None:
    hostile = copied(run, tmp_path / "a<script>b", target_modules=["<script>alert(1)</script>\x1b[31m", *TARGETS])
    code, out, err = invoke(BASE, hostile, "--json", tmp_path / "audit.json", "--html", tmp_path / "audit.html")
    assert code == 1 and "adapter_modules" in out and not err
    assert max(map(len, out.splitlines())) <= 80 or str(hostile) in out
    document = json.loads((tmp_path / "audit.json").read_text())
    assert document["audit_schema"] == 1 and document["verdicts"]["fault"] == 1
    page = (tmp_path / "audit.html").read_text()
    assert "<script" not in page and "&lt;script&gt;" in page and "\x1b" not in page + out
    assert invoke(BASE, run, "--json", "-")[0] == 0


def test_a_checkpoint_with_its_output_matrix_untied(tmp_path: Path) -> None:
    tensors = load_file(BASE / "model.safetensors")
    folder = shutil.copytree(BASE, tmp_path / "untied")
    embedding = next(name for name in tensors if name.endswith("embed_tokens.weight"))
    tensors["lm_head.weight"] = tensors[embedding] + 0.01
    tensors[next(name for name in tensors if name.endswith("q_proj.weight"))].mul_(1.01)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    assert "tied_embedding" in faults(folder)

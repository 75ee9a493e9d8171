"""Weights that others can use: what a cell keeps, as transformers and PEFT load it, and what `export` makes of it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from launch_fixture import save_tiny_base, write_experiment
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

from rlvr_bench.cell.artifacts import adapter_folder, weights_folder
from rlvr_bench.cell.run import run_cell
from rlvr_bench.cli.main import app
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.experiment import load
from rlvr_bench.experiment.grid import cells
from rlvr_bench.models import hub
from rlvr_bench.models.errors import ModelError
from rlvr_bench.record.store import write_run

METHODS = """
[methods.pissa]
rank = 2
learning_rate = 1e-2

[methods.milora]
rank = 2
learning_rate = 1e-2
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Cell]:
    """Run a cell of each method; its results, base and cache lie beside each other."""
    folder = tmp_path_factory.mktemp("export")
    path = write_experiment(folder, save_tiny_base(folder / "tiny-base"), steps=2)
    path.write_text(path.read_text() + METHODS)
    done: dict[str, Cell] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RLVR_BENCH_CACHE", str(folder / "cache"))
        for cell in cells(load(str(path)), seeds=(0,)):
            result = run_cell(cell, lambda event: None)
            assert result is not None
            write_run(folder / "results", result.record, result.steps)
            done[cell.method_name] = cell
    return done


@pytest.fixture
def folder(ran: dict[str, Cell], monkeypatch: pytest.MonkeyPatch) -> Path:
    made = Path(ran["lora"].base.name).parent
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(made / "cache"))
    return made


def _export(folder: Path, cell: Cell, form: str, target: Path) -> Any:
    words = ["export", cell.id[:8], form, str(target), "--results", str(folder / "results")]
    return CliRunner().invoke(app, words)


def _logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(input_ids=torch.arange(3, 19)[None] % 20).logits  # type: ignore[no-any-return]


def test_what_is_kept_has_tokenizer_and_config(folder: Path, ran: dict[str, Cell]) -> None:
    for name in ("full", "lora", "pissa"):
        kept = weights_folder(ran[name].id)
        assert AutoTokenizer.from_pretrained(kept).pad_token is not None
        assert (kept / "config.json").exists() and (kept / "generation_config.json").exists()
    assert adapter_folder(ran["lora"].id).is_dir() and not adapter_folder(ran["full"].id).exists()


@pytest.mark.parametrize("name", ["lora", "pissa", "c3a"])
def test_an_adapter_loads_in_peft_with_the_trained_model_s_logits(
    folder: Path, ran: dict[str, Cell], name: str, tmp_path: Path
) -> None:
    target = tmp_path / "adapter"
    done = _export(folder, ran[name], "--peft", target)
    assert done.exit_code == 0 and done.stdout == f"{target}\n", done.exception
    base = AutoModelForCausalLM.from_pretrained(folder / "tiny-base", dtype=torch.float32)
    plain = _logits(base)
    adapted = _logits(PeftModel.from_pretrained(base, str(target)))
    trained = _logits(AutoModelForCausalLM.from_pretrained(weights_folder(ran[name].id), dtype=torch.float32))
    assert torch.allclose(adapted, trained, atol=1e-4) and not torch.allclose(adapted, plain, atol=1e-4)
    assert str(folder) not in (target / "adapter_config.json").read_text() + (target / "README.md").read_text()
    assert AutoTokenizer.from_pretrained(target).pad_token is not None


def test_a_merged_model_comes_with_a_card_of_its_record(folder: Path, ran: dict[str, Cell], tmp_path: Path) -> None:
    target = tmp_path / "made" / "merged"
    assert _export(folder, ran["full"], "--merged", target).exit_code == 0
    card = (target / "README.md").read_text()
    assert "base_model: tiny-base" in card and f"cell {ran['full'].id}" in card and "| chain | test | 8 |" in card
    AutoModelForCausalLM.from_pretrained(target)
    again = _export(folder, ran["full"], "--merged", target)
    assert isinstance(again.exception, ModelError) and "is there and not empty" in str(again.exception)


def test_what_peft_cannot_give_is_one_sentence(folder: Path, ran: dict[str, Cell], tmp_path: Path) -> None:
    refused = _export(folder, ran["full"], "--peft", tmp_path / "full")
    assert str(refused.exception) == "PEFT has no method full; export the merged model with --merged"
    unlike = _export(folder, ran["milora"], "--peft", tmp_path / "milora")
    assert "on the plain base; export the merged model with --merged" in str(unlike.exception)
    assert not (tmp_path / "milora").exists() and not list(tmp_path.glob(".*"))
    nowhere = CliRunner().invoke(app, ["export", "zz", "--peft", str(tmp_path), "--results", str(folder / "results")])
    assert "no cell has an id that begins with 'zz'" in str(nowhere.exception)


def test_a_push_goes_through_the_hub_s_client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[tuple[str, dict[str, Any]]] = []

    class Client:
        def create_repo(self, name: str, **options: Any) -> None:
            calls.append((name, options))

        def upload_folder(self, **options: Any) -> str:
            calls.append(("upload", options))
            return "https://hub/owner/name"

    monkeypatch.setattr("huggingface_hub.HfApi", Client)
    assert hub.push(tmp_path, "owner/name") == "https://hub/owner/name"
    assert calls[0] == ("owner/name", {"exist_ok": True}) and calls[1][1]["folder_path"] == tmp_path

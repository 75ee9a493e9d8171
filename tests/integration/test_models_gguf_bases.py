"""GGUF files become the models that they were written from: logits, tokenizer, stop tokens, ties."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from gguf_models import CHAT, END, FAMILIES, PAD, TURN, random_model, write

from rlvr_bench.generate.stopping import eos_token_ids
from rlvr_bench.models.base import folder_of, load
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.models.errors import ModelError

IDS = torch.randint(0, 256, (2, 24), generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("family", FAMILIES)
def test_float32_gives_the_logits_of_the_source(family: str, tmp_path: Path) -> None:
    model = random_model(family)
    loaded = load(BaseConfig(name=str(write(model, family, tmp_path / "model.gguf"))))
    assert loaded.model.num_parameters() == model.num_parameters()
    with torch.no_grad():
        torch.testing.assert_close(loaded.model(IDS).logits, model(IDS).logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_eight_bits_give_nearly_the_logits_of_the_source(family: str, tmp_path: Path) -> None:
    model = random_model(family)
    path = write(model, family, tmp_path / "model.gguf", gguf.GGMLQuantizationType.Q8_0)
    loaded = load(BaseConfig(name=str(path)))
    with torch.no_grad():
        ours, theirs = loaded.model(IDS).logits.flatten(), model(IDS).logits.flatten()
    assert 0.99 < float(torch.nn.functional.cosine_similarity(ours, theirs, dim=0)) < 1 - 1e-9


def test_tokenizer_template_and_stop_tokens_come_along(tmp_path: Path) -> None:
    loaded = load(BaseConfig(name=str(write(random_model("qwen2"), "qwen2", tmp_path / "model.gguf"))))
    tokenizer = loaded.tokenizer
    assert tokenizer.chat_template == CHAT
    assert tokenizer.decode(tokenizer("the é<|turn|>")["input_ids"]) == "the é<|turn|>"
    assert len(tokenizer("the")["input_ids"]) == 2
    assert eos_token_ids(loaded.model, tokenizer) == {END, TURN, PAD}


@pytest.mark.parametrize("error", [0.05, 1.4])
def test_a_head_quantised_apart_is_tied_again_and_another_one_is_not(tmp_path: Path, error: float) -> None:
    model = random_model("qwen2")
    embedding = model.get_input_embeddings().weight.detach().numpy()
    noise = np.random.default_rng(0).standard_normal(embedding.shape).astype(np.float32)
    head = embedding + error * noise * np.linalg.norm(embedding) / np.linalg.norm(noise)
    path = write(model, "qwen2", tmp_path / "model.gguf", gguf.GGMLQuantizationType.Q8_0, head)
    loaded = load(BaseConfig(name=str(path))).model
    ours = loaded.get_output_embeddings().weight.detach().numpy()
    np.testing.assert_allclose(ours, head, rtol=1e-3, atol=1e-3)  # F16 is finer than Q8_0: the head is kept
    tied = loaded.get_input_embeddings().weight is loaded.get_output_embeddings().weight
    assert tied == loaded.config.tie_word_embeddings == (error < 1)
    assert (loaded.num_parameters() == model.num_parameters()) == tied


@pytest.mark.parametrize(
    ("family", "left_out", "added", "sentence"),
    [
        ("falcon", None, None, "architecture 'falcon'; those read here are llama, qwen2"),
        ("qwen2", "blk.3.ffn_up.weight", None, r"blk\.3\.ffn_up\.weight is missing"),
        ("qwen2", None, "blk.0.attn_sinks.weight", r"no place for blk\.0\.attn_sinks\.weight"),
    ],
)
def test_what_is_no_whole_model_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    family: str,
    left_out: str | None,
    added: str | None,
    sentence: str,
) -> None:
    write_tensor = gguf.GGUFWriter.add_tensor

    def changed(writer, name, values, **other) -> None:
        if name != left_out:
            write_tensor(writer, name, values, **other)
        if added is not None and name == "token_embd.weight":
            write_tensor(writer, added, np.zeros(4, np.float32))

    monkeypatch.setattr(gguf.GGUFWriter, "add_tensor", changed)
    path = write(random_model("qwen2"), "qwen2", tmp_path / "model.gguf")
    if family != "qwen2":
        path.write_bytes(path.read_bytes().replace(b"\x05\0\0\0\0\0\0\0qwen2", b"\x06\0\0\0\0\0\0\0falcon", 1))
    with pytest.raises(ModelError, match=sentence):
        folder_of(BaseConfig(name=str(path)))
    assert [path.name for path in (tmp_path / "cache" / "gguf").iterdir() if path.is_dir()] == []


def _convert(path: str, slowly: bool) -> None:
    if slowly:
        import safetensors.torch

        write_file = safetensors.torch.save_file
        safetensors.torch.save_file = lambda *given, **other: (write_file(*given, **other), time.sleep(3600))
    folder_of(BaseConfig(name=path))


def test_a_kill_leaves_nothing_and_two_processes_make_one_folder(tmp_path: Path) -> None:
    path = str(write(random_model("llama"), "llama", tmp_path / "model.gguf"))
    spawn = multiprocessing.get_context("spawn")
    killed = spawn.Process(target=_convert, args=(path, True))
    killed.start()
    folder = tmp_path / "cache" / "gguf"
    while not list(folder.glob(".*/model.safetensors")) and killed.is_alive():
        time.sleep(0.1)
    os.kill(killed.pid or 0, signal.SIGKILL)
    killed.join()
    assert [each for each in folder.iterdir() if each.is_dir() and not each.name.startswith(".")] == []

    both = [spawn.Process(target=_convert, args=(path, False)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert len([each for each in folder.iterdir() if each.is_dir()]) == 1

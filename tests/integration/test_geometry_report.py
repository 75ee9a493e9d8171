"""`rlvr-bench geometry` on pairs of checkpoints: what it writes, how it reads them, and what it refuses."""

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import SIZE
from transformers import LlamaConfig, LlamaForCausalLM

from rlvr_bench.cli.entry import main
from rlvr_bench.geometry import report
from rlvr_bench.geometry.measure import measure
from rlvr_bench.geometry.pairs import open_pairs
from rlvr_bench.geometry.settings import GeometrySettings

Tensors = dict[str, torch.Tensor]
Invoke = Callable[..., tuple[int, str, str]]


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Invoke:
    """Run the command line here; returns exit code, stdout and stderr."""
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path / "cache"))

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()  # what saving the checkpoints showed
        monkeypatch.setattr(sys, "argv", ["rlvr-bench", "geometry", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        written = capsys.readouterr()
        return int(stop.value.code or 0), written.out, written.err

    return run


def saved(folder: Path, seed: int = 0, dtype: torch.dtype = torch.float32, **kwargs: object) -> Path:
    """Save a tiny Llama; the same seed gives the same weights."""
    torch.manual_seed(seed)
    config = LlamaConfig(**(SIZE | kwargs.pop("config", {})))
    LlamaForCausalLM(config).to(dtype).save_pretrained(folder, **kwargs)
    return folder


def edited(source: Path, target: Path, edit: Callable[[Tensors], object]) -> Path:
    """Copy a single-file checkpoint with changed tensors."""
    target.mkdir()
    tensors = load_file(source / "model.safetensors")
    edit(tensors)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, target / "model.safetensors")
    (target / "config.json").write_bytes((source / "config.json").read_bytes())
    return target


def nudge(tensors: Tensors, scale: float = 1e-2) -> None:
    generator = torch.Generator().manual_seed(5)
    for name in sorted(tensors):
        tensors[name] = (tensors[name] + scale * torch.randn(tensors[name].shape, generator=generator)).to(
            tensors[name].dtype
        )


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    base = saved(tmp_path / "base")
    return base, edited(base, tmp_path / "tuned", nudge)


def test_how_long_it_takes_is_said_where_it_takes_long(
    invoke: Invoke, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert invoke(*pair)[2] == ""
    monkeypatch.setattr("rlvr_bench.geometry.report.seconds", lambda flops, threads: 200.0)
    assert "geometry of 16 matrices, exact: about 3 min with" in invoke(*pair)[2]


def test_the_json_document_has_the_keys_that_others_read(invoke: Invoke, pair: tuple[Path, Path]) -> None:
    code, out, err = invoke(*pair, "--json", "-", "-k", "5", "--mask-rank", "7", "--mask-density", "0.3")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document.keys() == {"matrices", "summary", "settings"}
    assert document["settings"].items() >= {"k": 5, "mask_rank": 7, "mask_density": 0.3}.items()
    assert len(document["matrices"]) == 16
    for row in document["matrices"]:
        assert row.keys() >= {
            "name", "shape", "sparsity_bf16", "relative_norm", "spectral_shift", "principal_angle_max_deg",
            "principal_angle_mean_deg", "principal_overlap", "low_magnitude_overlap", "principal_energy_joint",
            "stable_rank", "effective_rank", "null",
        }  # fmt: skip
        assert row["null"].keys() == {"shown_in_bf16", "isotropic", "permuted"}
        assert row["k"] == 5 and row["mask_rank"] == 7
    assert document["summary"].keys() >= {
        "sparsity_bf16",
        "spectral_shift",
        "principal_angle_max_deg",
        "null",
        "by_type",
    }


def test_the_figures_are_those_of_the_tensors(invoke: Invoke, pair: tuple[Path, Path]) -> None:
    document = json.loads(invoke(*pair, "--json", "-", "--draws", "0")[1])
    before, after = (load_file(folder / "model.safetensors") for folder in pair)
    rows = {row["name"]: row for row in document["matrices"]}
    assert rows.keys() == {name for name, tensor in before.items() if tensor.ndim == 2}
    for record in measure(((n, before[n], after[n]) for n in rows), GeometrySettings(draws=0)):
        assert rows[record.name].items() >= record.figures.items()
    same = sum(int((before[n].bfloat16() == after[n].bfloat16()).sum()) for n in before)
    total = sum(tensor.numel() for tensor in before.values())
    assert document["summary"]["sparsity_bf16"] == pytest.approx(same / total)
    assert document["summary"]["entries"] == total
    assert "null" not in document["matrices"][0] and "null" not in document["summary"]


def test_the_terminal_csv_and_pictures(invoke: Invoke, pair: tuple[Path, Path], tmp_path: Path) -> None:
    code, out, err = invoke(
        *pair, "--json", tmp_path / "out.json", "--csv", tmp_path / "out.csv", "--pictures", tmp_path / "drawn"
    )
    assert code == 0 and max(map(len, out.splitlines()[1:])) <= 120
    assert "isotropic" in out and "q_proj" in out
    document = json.loads((tmp_path / "out.json").read_text())
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 21  # 16 matrices, 5 norms
    matrix = next(row for row in document["matrices"] if row["name"] == "model.layers.1.mlp.up_proj.weight")
    line = next(row for row in rows if row["name"] == matrix["name"])
    assert float(line["spectral_shift"]) == matrix["spectral_shift"]
    lift = matrix["null"]["isotropic"]["spectral_shift"]["lift"]
    assert float(line["spectral_shift_over_isotropic"]) == lift
    assert (line["layer"], line["type"], line["rows"], line["columns"]) == ("1", "up_proj", "64", "32")
    for name in ("layers.png", "energy.png", "stripes.png"):
        assert (tmp_path / "drawn" / name).read_bytes().startswith(b"\x89PNG")
        assert str(tmp_path / "drawn" / name) in err


def test_organisms_go_by_name(invoke: Invoke) -> None:
    code, out, _ = invoke("organism-steps", "organism-direct", "--draws", "0", "--json", "-")
    assert code == 0 and json.loads(out)["summary"]["entries"] == 341_952


def test_an_unchanged_model_has_no_undefined_zero(invoke: Invoke, pair: tuple[Path, Path]) -> None:
    document = json.loads(invoke(pair[0], pair[0], "--json", "-")[1])
    summary = document["summary"]
    assert summary["sparsity_bf16"] == 1.0 and summary["relative_norm"] == 0.0 and summary["spectral_shift"] == 0.0
    for name in ("principal_overlap", "principal_energy_joint", "stable_rank", "effective_rank", "row_stripe_index"):
        assert summary[name] is None and all(row[name] is None for row in document["matrices"])
    assert invoke(*(pair[0], pair[0]))[0] == 0


def test_shards_are_read_as_one_checkpoint(pair: tuple[Path, Path], tmp_path: Path) -> None:
    sharded = saved(tmp_path / "sharded", max_shard_size="20KB")
    assert len(list(sharded.glob("*.safetensors"))) > 2
    for without_index in (False, True):
        if without_index:
            (sharded / "model.safetensors.index.json").unlink()
        pairs = open_pairs(str(sharded), str(pair[0]), lambda *_: None)
        assert len(pairs.shapes) == 21 and all(torch.equal(before, after) for _, before, after in pairs.tensors)


def test_one_pair_is_in_memory_at_a_time(pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    read = report.open_pairs("organism-steps", "organism-steps", lambda *_: None).tensors
    for record in measure((events.append("read") or each for each in read), GeometrySettings(draws=0)):
        events.append(record.name)
    assert events[::2] == ["read"] * 29 and "read" not in events[1::2]


def test_bf16_and_float32_storage_are_both_cast(pair: tuple[Path, Path], tmp_path: Path) -> None:
    stored = edited(pair[0], tmp_path / "bf16", lambda t: t.update({n: x.bfloat16() for n, x in t.items()}))
    records = list(measure(open_pairs(str(pair[0]), str(stored), lambda *_: None).tensors, GeometrySettings(draws=0)))
    matrices = [record.figures for record in records if record.is_matrix]
    assert all(figures["sparsity_bf16"] == 1.0 for figures in matrices)
    assert all(0 < figures["relative_norm"] < 2**-8 and figures["sparsity_fp32"] < 0.1 for figures in matrices)


@pytest.mark.parametrize("stored_twice", [False, True])
def test_tied_embeddings_count_once(tmp_path: Path, stored_twice: bool) -> None:
    base = saved(tmp_path / "base", config={"tie_word_embeddings": True})
    tuned = edited(base, tmp_path / "tuned", nudge)
    if stored_twice:  # some programs write both; what is stored as output matrix is not used
        base, tuned = (
            edited(
                source, tmp_path / f"{source.name}-twice", lambda t: t.update({"lm_head.weight": torch.zeros(64, 32)})
            )
            for source in (base, tuned)
        )
    names = [name for name, _, _ in open_pairs(str(base), str(tuned), lambda *_: None).tensors]
    assert "lm_head.weight" not in names and names.count("model.embed_tokens.weight") == 1


def test_equal_copies_of_the_embedding_count_once_without_a_config(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    for name in ("base", "tuned"):
        (tmp_path / name).mkdir()
        embedding = torch.randn(20, 8, generator=generator)
        tensors = {"model.embed_tokens.weight": embedding, "lm_head.weight": embedding.clone()}
        save_file(tensors, tmp_path / name / "model.safetensors")
    assert open_pairs(str(tmp_path / "base"), str(tmp_path / "tuned"), lambda *_: None).shapes == {
        "model.embed_tokens.weight": (20, 8)
    }


def wrong_shape(tensors: Tensors) -> None:
    tensors["model.layers.0.mlp.up_proj.weight"] = torch.zeros(60, 32)


def missing(tensors: Tensors) -> None:
    del tensors["model.layers.1.mlp.up_proj.weight"]


def nan(tensors: Tensors) -> None:
    tensors["model.layers.1.mlp.up_proj.weight"][3, 4] = float("nan")


def infinite(tensors: Tensors) -> None:
    tensors["model.norm.weight"][0] = float("inf")


def quantised(tensors: Tensors) -> None:
    tensors["model.layers.1.mlp.up_proj.weight"] = torch.zeros(64, 32, dtype=torch.int8)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (wrong_shape, ["model.layers.0.mlp.up_proj.weight is 64 x 32", "60 x 32"]),
        (missing, ["has no tensor model.layers.1.mlp.up_proj.weight"]),
        (nan, ["model.layers.1.mlp.up_proj.weight", "1 NaN or infinite"]),
        (infinite, ["model.norm.weight", "NaN or infinite"]),
        (quantised, ["stored as I8", "de-quantised"]),
    ],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_checkpoints_that_cannot_be_compared(
    invoke: Invoke,
    pair: tuple[Path, Path],
    tmp_path: Path,
    edit: Callable[[Tensors], None],
    words: list[str],
    swapped: bool,
) -> None:
    wrong = edited(pair[0], tmp_path / "wrong", edit)
    if swapped and edit is wrong_shape:
        words = ["is 60 x 32", "64 x 32"]
    _refused(invoke(*((wrong, pair[0]) if swapped else (pair[0], wrong))), words)


def _refused(result: tuple[int, str, str], words: list[str]) -> None:
    code, out, err = result
    assert code == 2 and out == "" and err.count("\n") == 1 and "Traceback" not in err
    assert all(word in err for word in words), err


def test_a_missing_shard_or_tensor_is_named(invoke: Invoke, pair: tuple[Path, Path], tmp_path: Path) -> None:
    sharded = saved(tmp_path / "sharded", max_shard_size="20KB")
    shards = sorted(sharded.glob("*.safetensors"))
    index = sharded / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"]["model.extra.weight"] = shards[0].name
    whole = index.read_text()
    index.write_text(json.dumps(content))
    _refused(invoke(pair[0], sharded), ["has no tensor model.extra.weight"])
    index.write_text(whole)
    shards[1].unlink()
    _refused(invoke(pair[0], sharded), ["lacks the shard", shards[1].name])
    index.unlink()
    _refused(invoke(sharded, pair[0]), [f"has {len(shards) - 1} of {len(shards)} shards"])
    index.write_text("[]")
    _refused(invoke(sharded, pair[0]), ["no readable shard index"])


def test_damaged_absent_and_pickled_files(invoke: Invoke, pair: tuple[Path, Path], tmp_path: Path) -> None:
    damaged = edited(pair[0], tmp_path / "damaged", lambda _: None)
    file = damaged / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    _refused(invoke(pair[0], damaged), ["no whole safetensors file"])
    file.unlink()
    _refused(invoke(pair[0], damaged), ["no model weights"])
    torch.save({}, damaged / "pytorch_model.bin")
    _refused(invoke(pair[0], damaged), ["pickled"])
    _refused(invoke(pair[0], tmp_path / "nowhere"), ["no folder"])
    _refused(invoke("organism-stepz", pair[0]), ["did you mean 'organism-steps'"])


def test_settings_out_of_range(invoke: Invoke, pair: tuple[Path, Path]) -> None:
    _refused(invoke(*pair, "-k", "0"), ["k = 0"])
    _refused(invoke(*pair, "--mask-density", "1.5"), ["mask_density = 1.5"])
    _refused(invoke(*pair, "--draws", "1"), ["draws = 1"])

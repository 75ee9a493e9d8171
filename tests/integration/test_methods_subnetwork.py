"""Masks that a finished full run decides: its changed entries, or as many random ones."""

import json

import numpy as np
import pytest
import torch
from method_runs import attested, problems, run
from safetensors.torch import load_file, save_file
from tiny_models import batch, llama, tied_qwen

from rlvr_bench.methods import MethodError, create
from rlvr_bench.methods.base.plain import last_logits


def finished_run(folder, make=llama, learning_rate=1e-5, steps=1):
    """Train all of a model a little and export it; so little that some entries do not change in bfloat16."""
    handle = create({"type": "full"}).attach(make(), seed=0)
    run(handle, steps=steps, learning_rate=learning_rate)
    handle.export(folder)
    return handle


def subnetwork(source, select="rl-subnetwork", **keys):
    return create({"type": "mask", "select": select, "tuned": str(source), **keys})


def truncated(values: np.ndarray) -> np.ndarray:
    """bfloat16 by arithmetic: eight significant bits, ties to even (numpy's rint)."""
    mantissa, exponent = np.frexp(values.astype(np.float64))
    return np.ldexp(np.rint(mantissa * 2**8), exponent - 8)


@pytest.mark.parametrize("make", [llama, tied_qwen])
def test_the_mask_is_what_the_run_changed_in_bfloat16(tmp_path, make):
    tuned = dict(finished_run(tmp_path, make).effective_weights())
    base = dict(make().named_parameters())
    handle, record = attested(subnetwork(tmp_path), make=make)
    assert record.valid, record.problems
    shares = []
    for path, layer in handle.masked_layers():
        before, after = (w[f"{path}.weight"].detach().numpy().ravel() for w in (base, tuned))
        wanted = np.flatnonzero(truncated(before) != truncated(after))
        np.testing.assert_array_equal(layer.index.numpy(), wanted)
        shares.append(len(wanted) / before.size)
    assert min(shares) > 0.05 and max(shares) < 0.95  # the run left both kinds of entries
    assert record.realised["density_max"] == max(shares)


def test_random_takes_as_many_entries_of_each_matrix_as_the_run_changed(tmp_path):
    finished_run(tmp_path)
    changed = subnetwork(tmp_path).attach(llama(), seed=0)
    handle, record = attested(subnetwork(tmp_path, "random"))
    assert record.valid, record.problems
    for (path, own), (_, random) in zip(changed.masked_layers(), handle.masked_layers(), strict=True):
        assert len(own.index) == len(random.index) and not torch.equal(own.index, random.index), path


def test_retraining_the_subnetwork_moves_nothing_else(tmp_path):
    finished_run(tmp_path / "run")
    handle, _ = attested(subnetwork(tmp_path / "run"))
    base = dict(llama().named_parameters())
    inside = {f"{path}.weight": layer.index.long() for path, layer in handle.masked_layers()}
    for name, tensor in handle.effective_weights():
        moved = (tensor != base[name].detach()).reshape(-1)
        if name in inside:
            moved[inside[name]] = False
        assert not moved.any(), name
    handle.export(tmp_path / "mask")
    again = subnetwork(tmp_path / "run").attach(llama(), seed=0)
    again.load(tmp_path / "mask")
    assert torch.equal(last_logits(again.model, batch()), last_logits(handle.model, batch()))


def test_a_file_a_sharded_checkpoint_and_a_bfloat16_one_are_read(tmp_path):
    whole = finished_run(tmp_path / "export")
    weights = load_file(tmp_path / "export" / "trainable.safetensors")
    (tmp_path / "shards").mkdir()
    for part in (0, 1):
        shard = {name: tensor for position, (name, tensor) in enumerate(weights.items()) if position % 2 == part}
        save_file(shard, tmp_path / "shards" / f"model-{part}.safetensors")
    save_file({name: tensor.bfloat16() for name, tensor in weights.items()}, tmp_path / "bfloat16.safetensors")
    wanted = subnetwork(tmp_path / "export").attach(llama(), seed=0)
    for source in ("export/trainable.safetensors", "shards", "bfloat16.safetensors"):
        got = subnetwork(tmp_path / source).attach(llama(), seed=0)
        for (path, one), (_, other) in zip(wanted.masked_layers(), got.masked_layers(), strict=True):
            assert torch.equal(one.index, other.index), (source, path)
    assert whole.trainable_parameters > wanted.trainable_parameters


def test_a_matrix_that_the_run_left_alone_gets_an_empty_mask(tmp_path):
    weights = {name: tensor.detach().clone() for name, tensor in llama().named_parameters()}
    weights["model.layers.1.mlp.up_proj.weight"] *= 1.5
    save_file(weights, tmp_path / "tuned.safetensors")
    handle, record = attested(subnetwork(tmp_path / "tuned.safetensors"), weight_decay=0.1)
    assert record.valid, record.problems
    sizes = {path: len(layer.index) for path, layer in handle.masked_layers()}
    assert sizes.pop("model.layers.1.mlp.up_proj") == 64 * 32
    assert set(sizes.values()) == {0}
    handle.export(tmp_path / "mask")
    again = subnetwork(tmp_path / "tuned.safetensors").attach(llama(), seed=0)
    again.load(tmp_path / "mask")
    assert torch.equal(last_logits(again.model, batch()), last_logits(handle.model, batch()))


def test_what_cannot_be_used_is_one_sentence(tmp_path):
    weights = {name: tensor.detach().clone() for name, tensor in llama().named_parameters()}
    save_file(weights, tmp_path / "same.safetensors")
    name = "model.layers.0.self_attn.k_proj.weight"
    save_file(weights | {name: torch.zeros(32, 32)}, tmp_path / "wide.safetensors")
    save_file({other: weights[other] for other in weights if other != name}, tmp_path / "short.safetensors")
    (tmp_path / "torn.safetensors").write_bytes(b"torn")
    torch.save(weights, tmp_path / "pickle.bin")
    (tmp_path / "empty").mkdir()
    for source, words in {
        "same.safetensors": "changed no entry of targets that bfloat16 shows; give a longer run",
        "wide.safetensors": rf"'{name}' in .* has shape \(32, 32\), the base has \(16, 32\); give a run on this base",
        "short.safetensors": f"has no tensor '{name}'; give the weights of a full run",
        "torn.safetensors": "is no whole safetensors file",
        "pickle.bin": "is no whole safetensors file",
        "empty": "holds no safetensors file",
        "nowhere": "holds no safetensors file",
    }.items():
        model = llama()
        with pytest.raises(MethodError, match=words) as caught:
            subnetwork(tmp_path / source).attach(model, seed=0)
        assert "\n" not in str(caught.value)
        assert not [module for module in model.modules() if type(module).__name__ == "MaskedLinear"]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"select": "rl-subnetwork"}, "needs the key tuned"),
        ({"select": "rl-subnetwork", "tuned": "x", "density": 0.1}, "density is given together with tuned"),
        ({"select": "random", "tuned": "x", "density": 0.1}, "density is given together with tuned"),
        (
            {"select": "random", "tuned": "x", "principal_share": 0.5, "low_share": 0.5},
            "principal_share is given together with tuned",
        ),
        ({"select": "principal", "tuned": "x"}, "tuned is for select = 'rl-subnetwork' or 'random', not 'principal'"),
        ({"select": "random", "fisher_tokens": 8}, "fisher_tokens is for select = 'fisher', not 'random'"),
        ({"select": "rl-subnetwork", "tuned": "x", "params": "1%"}, "params = '1%'"),
        ({"select": "principal", "part": 1}, "part is for select = 'random', not 'principal'"),
        ({"select": "random", "density": 0.3, "part": 3}, "part = 3, but 3 disjoint masks have density 0.3; lower one"),
        (
            {"select": "random", "principal_share": 0.5, "low_share": 0.5, "part": 1},
            "part is of masks whose size density sets",
        ),
    ],
)
def test_keys_that_do_not_go_together_are_one_sentence(keys, words):
    with pytest.raises(MethodError) as caught:
        create({"type": "mask", **keys})
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_another_mask_than_the_runs_is_caught(tmp_path):
    finished_run(tmp_path)
    random = subnetwork(tmp_path, "random")
    _, record = attested(subnetwork(tmp_path), random)
    assert "are not in the rl-subnetwork set" in problems(record)
    _, record = attested(random, subnetwork(tmp_path))
    assert "are not in the random set" in problems(record)
    assert json.loads(record.model_dump_json())["requested"]["tuned"] == str(tmp_path)

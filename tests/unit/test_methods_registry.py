import subprocess
import sys
from pathlib import Path

import pytest

from rlvr_bench.methods import MethodError, create, describe, names, registry
from rlvr_bench.methods.base.method import LINEAR_TARGETS, target_weights
from rlvr_bench.methods.full.full import Full
from rlvr_bench.methods.masks.mask import Mask
from rlvr_bench.methods.peft.any_type import AnyPeft
from rlvr_bench.methods.peft.method import Lora, Pissa
from rlvr_bench.methods.registry import with_later_fields
from rlvr_bench.plugins.registry import plugin_entries

SHAPES = {
    "model.embed_tokens.weight": (64, 32),
    "model.layers.0.self_attn.q_proj.weight": (32, 32),
    "model.layers.0.self_attn.q_proj.bias": (32,),
    "model.layers.0.mlp.down_proj.weight": (32, 64),
    "model.norm.weight": (32,),
}


def test_built_in_types_are_listed_sorted():
    assert names() == sorted(names())
    assert {"full", "lora", "pissa", "mask", "peft"} <= set(names())


def test_validating_any_config_does_not_import_torch():
    code = (
        "import sys, rlvr_bench.methods as methods\n"
        "for s in [{'type': 'full'}, {'type': 'pissa'}, {'type': 'mask', 'select': 'safe'},\n"
        "          {'type': 'peft', 'peft_type': 'C3A', 'block_size': 8}]:\n"
        "    methods.create(s)\n"
        "    methods.describe(s['type'])\n"
        "print('torch' in sys.modules or 'peft' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_settings_become_the_named_config():
    assert create({"type": "lora", "rank": 8}) == Lora(rank=8)
    assert create({"type": "pissa"}) == Pissa()
    assert create({"type": "mask", "select": "random", "density": 0.1}) == Mask(select="random", density=0.1)
    assert create({"type": "full"}).targets == LINEAR_TARGETS


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, ["needs a type", "lora"]),
        ({"type": "lroa"}, ["'lroa'", "did you mean 'lora'"]),
        ({"type": "lora", "rnak": 8}, ['unknown key "rnak"', "did you mean 'rank'"]),
        ({"type": "lora", "rank": 0}, ["rank = 0", "greater than or equal to 1"]),
        ({"type": "lora", "targets": ["q_proj", "q_proj"]}, ["targets", "twice"]),
        ({"type": "mask"}, ["select", "Which entries"]),
        ({"type": "mask", "select": "saef"}, ["'saef'", "'safe'"]),
        ({"type": "mask", "select": "safe", "density": 1.5}, ["density = 1.5", "less than or equal to 1"]),
        ({"type": "mask", "select": "safe", "low_share": 0.5}, ["belong together"]),
        (
            {"type": "mask", "select": "principal", "low_share": 0.5, "principal_share": 0.5},
            ["'principal'", "leave it out"],
        ),
        (
            {"type": "mask", "select": "safe", "low_share": 0.5, "principal_share": 0.5, "density": 0.5},
            ["density is given together"],
        ),
        ({"type": "peft", "peft_type": "C4A"}, ["'C4A'", "did you mean 'C3A'"]),
        ({"type": "peft", "peft_type": "C3A", "block_siz": 8}, ["'block_siz'", "did you mean 'block_size'"]),
        ({"type": "peft", "peft_type": "LORA", "target_modules": ["q_proj"]}, ["'target_modules'", "'targets'"]),
        ({"type": "peft", "peft_type": "LORA", "lora_dropout": 0.05}, ["lora_dropout = 0.05", "set it to 0"]),
    ],
)
def test_a_wrong_setting_is_one_sentence_with_the_fix(settings, words):
    with pytest.raises(MethodError) as caught:
        create(settings)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_settings_survive_a_dump():
    for settings in (
        {"type": "mask", "select": "safe", "principal_share": 0.5, "low_share": 0.6},
        {"type": "peft", "peft_type": "LORA", "r": 4, "use_dora": True},
        {"type": "pissa", "rank": 3},
    ):
        method = create(settings)
        again = create(method.model_dump(mode="json", exclude_unset=True))
        assert again.model_dump() == method.model_dump()


def test_a_config_written_whole_is_read_as_it_was_asked_for():
    for settings in (
        {"type": "mask", "select": "safe", "principal_share": 0.5, "low_share": 0.6},
        {"type": "peft", "peft_type": "LN_TUNING"},
        {"type": "lora", "params": "1%"},
        {"type": "lora"},
    ):
        method = create(settings)
        assert create(method.model_dump(mode="json")).model_fields_set - {"type"} == settings.keys() - {"type"}


def test_a_config_that_was_written_whole_before_a_field_came_is_read_too():
    old = create({"type": "mask", "select": "safe", "density": 0.1}).model_dump(mode="json")
    del old["part"]
    assert create(old) == create({"type": "mask", "select": "safe", "density": 0.1})
    assert with_later_fields(old) == old | {"part": 0}


def test_settings_that_have_all_fields_or_an_unknown_method_stay_as_they_are():
    for settings in ({"type": "mask", "part": 2}, {"type": "lora"}, {"type": "ia3"}, {"type": "of-a-plug-in"}, {}):
        assert with_later_fields(settings) == settings


def test_every_type_describes_itself():
    for name in registry.BUILT_IN:
        description = describe(name)
        low, high = description.learning_rates
        assert 0 < low < high
        assert description.summary and description.source and description.formula
        assert all(field.description for field in description.fields)
        assert set(description.dials) <= {field.name for field in description.fields}


def test_expected_trainable_counts_follow_from_shapes():
    lora = Lora(rank=4, targets=("q_proj", "down_proj")).expected_trainable(SHAPES)
    assert lora == {
        "base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight": (4, 32),
        "base_model.model.model.layers.0.self_attn.q_proj.lora_B.default.weight": (32, 4),
        "base_model.model.model.layers.0.mlp.down_proj.lora_A.default.weight": (4, 64),
        "base_model.model.model.layers.0.mlp.down_proj.lora_B.default.weight": (32, 4),
    }
    assert Full().expected_trainable(SHAPES) == SHAPES
    assert set(Full(train="linear").expected_trainable(SHAPES)) == {n for n in SHAPES if "proj.weight" in n}
    mask = Mask(select="random", density=0.25, targets=("down_proj",)).expected_trainable(SHAPES)
    assert mask == {"model.layers.0.mlp.down_proj.values": (512,)}


def test_targets_match_whole_components_only():
    shapes = {"a.xq_proj.weight": (2, 2), "a.q_proj.weight": (2, 2), "q_proj.weight": (2, 2), "a.q_proj.bias": (2,)}
    assert set(target_weights(shapes, ["q_proj"])) == {"a.q_proj", "q_proj"}


def test_mask_rank_is_64_or_a_quarter_of_the_smaller_side():
    mask = Mask(select="principal")
    assert [mask.rank_for(shape) for shape in ((1024, 4096), (256, 300), (40, 100), (3, 3))] == [64, 64, 10, 1]
    assert Mask(select="principal", mask_rank=500).rank_for((40, 100)) == 40


def test_a_peft_start_chosen_by_the_user_is_not_held_to_identity():
    assert AnyPeft(peft_type="C3A", block_size=8).identity_at_start
    assert AnyPeft(peft_type="C3A", block_size=8).adapter_fields()["init_weights"] is True
    chosen = AnyPeft(peft_type="C3A", block_size=8, init_weights="gaussian")
    assert not chosen.identity_at_start
    assert chosen.adapter_fields()["init_weights"] == "gaussian"


PLUGIN = """
from typing import ClassVar, Literal
from rlvr_bench.methods.full.full import Full

class Outside(Full):
    '''A method of another package.'''
    type: Literal["outside"] = "outside"
    knob: int = 3

class NoMethod:
    pass
"""


@pytest.fixture
def outside_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "outside_method.py").write_text(PLUGIN)
    info = tmp_path / "outside_method-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-method\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[rlvr_bench.methods]\noutside = outside_method:Outside\nwrong = outside_method:NoMethod\n"
        "gone = outside_method:Missing\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    plugin_entries.cache_clear()
    yield
    plugin_entries.cache_clear()
    sys.modules.pop("outside_method", None)


@pytest.mark.parametrize(("taken", "claims"), [("lora", "this package"), ("outside", "outside_method:Outside")])
def test_two_packages_cannot_claim_one_name(tmp_path, monkeypatch, outside_package, taken, claims):
    info = tmp_path / "second_method-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: second-method\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[rlvr_bench.methods]\n{taken} = second_method:Second\n")
    plugin_entries.cache_clear()
    with pytest.raises(MethodError, match=f"{taken!r} is registered by {claims} and by second_method:Second; rename"):
        create({"type": taken})
    assert create({"type": "full"}) == Full()


def test_a_method_comes_from_another_package_by_entry_point_only(outside_package):
    assert "outside" in names()
    assert create({"type": "outside", "knob": 5}).knob == 5
    assert describe("outside").summary == "A method of another package."
    with pytest.raises(MethodError, match="did you mean 'outside'"):
        create({"type": "outsid"})
    with pytest.raises(MethodError, match="offer a subclass of Method"):
        create({"type": "wrong"})
    with pytest.raises(MethodError, match="cannot be imported"):
        create({"type": "gone"})


def test_a_broken_plugin_leaves_the_list_and_is_named(outside_package):
    usable, faults = registry.available()
    assert "outside" in usable and "lora" in usable and not {"wrong", "gone"} & set(usable)
    assert [next(name for name in ("gone", "wrong") if f"'{name}'" in fault) for fault in faults] == ["gone", "wrong"]

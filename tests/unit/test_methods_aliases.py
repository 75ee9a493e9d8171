import tomllib

import pytest

from rlvr_bench.experiment.experiment import presets
from rlvr_bench.methods import MethodError, create, describe, names
from rlvr_bench.methods.aliases import ALIASES
from rlvr_bench.methods.masks.mask import Mask
from rlvr_bench.methods.peft.method import Lora

HARNESS_KEYS = ("learning_rate", "search", "type")
"""Keys of a method's table in an experiment file that the method itself does not know, and its type."""

ENTRIES = [
    pytest.param(name, entry, id=f"{preset}-{name}")
    for preset, path in presets().items()
    for name, entry in tomllib.loads(path.read_text(encoding="utf-8"))["methods"].items()
]


@pytest.mark.parametrize(("name", "entry"), ENTRIES)
def test_every_name_of_a_preset_is_a_method_that_gives_its_settings(name, entry):
    settings = {key: value for key, value in entry.items() if key not in HARNESS_KEYS}
    wanted = create({"type": entry.get("type", name)} | settings)
    by_name = create({"type": name} | settings)
    assert by_name == wanted
    assert by_name.model_dump(mode="json") == wanted.model_dump(mode="json")
    assert describe(name).type == wanted.type


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_is_no_type_and_says_what_it_stands_for(alias):
    described = describe(alias)
    assert alias not in names()
    assert {"type": described.type} | described.settings == ALIASES[alias]
    assert alias in describe(described.type).aliases
    fields = {field.name: field for field in described.fields}
    for key, value in described.settings.items():
        assert fields[key].default == value and not fields[key].required


def test_a_key_beside_an_alias_has_the_last_word():
    assert create({"type": "lora-rank-8"}) == Lora(rank=8)
    assert create({"type": "lora-rank-8", "rank": 4}) == Lora(rank=4)
    assert create({"type": "mask-safe", "density": 0.25}) == Mask(select="safe", density=0.25)


def test_params_cannot_turn_a_dial_that_the_alias_has_set():
    assert describe("lora-rank-8").params_turns is None and describe("mask-safe").params_turns == "density"
    with pytest.raises(MethodError, match="method 'lora-rank-8': params = '1%' is given together with rank"):
        create({"type": "lora-rank-8", "params": "1%"})


def test_a_misspelt_alias_is_answered_with_the_nearest():
    with pytest.raises(MethodError, match="unknown method 'mask-saef'; did you mean 'mask-safe'"):
        create({"type": "mask-saef"})

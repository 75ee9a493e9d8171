import pytest

from rlvr_bench.methods import MethodError, create
from rlvr_bench.methods.base.layers import chosen_layers, layer_count, layer_of
from rlvr_bench.methods.full.full import Full, FullSgd

SHAPES = {
    "model.embed_tokens.weight": (64, 32),
    **{f"model.layers.{n}.self_attn.q_proj.weight": (32, 32) for n in range(5)},
    **{f"model.layers.{n}.mlp.experts.7.down_proj.weight": (32, 64) for n in range(5)},
    **{f"model.layers.{n}.input_layernorm.weight": (32,) for n in range(5)},
    "model.norm.weight": (32,),
}


@pytest.mark.parametrize(
    ("written", "count", "numbers"),
    [
        ("middle", 5, [2]),
        ("middle", 28, [14]),
        ("middle", 1, [0]),
        ("1-3", 5, [1, 2, 3]),
        ("4-4", 5, [4]),
        ((3, 0), 5, [0, 3]),
    ],
)
def test_layers_are_read_as_written(written, count, numbers):
    assert chosen_layers(written, count) == numbers


@pytest.mark.parametrize("written", [(5,), (0, 9), "3-5", "7-9"])
def test_a_layer_beyond_the_model_is_refused_with_what_there_is(written):
    with pytest.raises(MethodError, match=r"goes beyond the model's 5 layers; name some of 0 to 4$"):
        Full(layers=written).expected_trainable(SHAPES)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("last", ["'last'", "'middle'"]),
        ("4-", ["'4-'", "'4-7'"]),
        ("5-3", ["'5-3'", "no layer"]),
        ([], ["[]", "no layer"]),
        ([1, 1], ["[1, 1]", "once"]),
        ([-1], ["[-1]", "from 0"]),
    ],
)
def test_layers_that_cannot_be_read_are_one_sentence(written, words):
    with pytest.raises(MethodError) as caught:
        create({"type": "full", "layers": written})
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_one_number_is_a_list_of_one():
    assert create({"type": "full", "layers": 3}) == create({"type": "full", "layers": [3]})


def test_the_first_number_in_a_name_is_its_layer():
    assert layer_of("model.layers.12.mlp.experts.7.weight") == 12
    assert layer_of("model.norm.weight") is None
    assert layer_count(SHAPES) == 5


def test_expected_tensors_of_a_subset():
    middle = Full(layers="middle").expected_trainable(SHAPES)
    assert set(middle) == {name for name in SHAPES if ".layers.2." in name}
    linear = Full(layers=(0, 4), train="linear", targets=("q_proj",)).expected_trainable(SHAPES)
    assert linear == {f"model.layers.{n}.self_attn.q_proj.weight": (32, 32) for n in (0, 4)}


def test_sgd_has_its_own_optimizer_and_rates():
    assert (Full().optimizer, FullSgd().optimizer) == ("AdamW", "SGD")
    assert FullSgd.learning_rates[0] > Full.learning_rates[0]
    assert create({"type": "full-sgd", "layers": "middle"}).layers == "middle"

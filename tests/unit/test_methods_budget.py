import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr_bench.methods import MethodError, create, describe, names
from rlvr_bench.methods.base.budget import count_from_shapes, nearest
from rlvr_bench.methods.base.method import Dial
from rlvr_bench.methods.base.params import target_count
from rlvr_bench.methods.full.full import Full
from rlvr_bench.methods.masks.mask import Mask
from rlvr_bench.methods.peft.method import Lora

SHAPES = {
    "model.embed_tokens.weight": (64, 32),
    "model.layers.0.self_attn.q_proj.weight": (32, 32),
    "model.layers.0.self_attn.q_proj.bias": (32,),
    "model.layers.0.mlp.down_proj.weight": (32, 64),
    "model.norm.weight": (32,),
}


@pytest.mark.parametrize(
    ("params", "count"), [("0.5%", 500), (" 2.5 % ", 2500), (".1%", 100), ("100%", 100_000), ("1e-9%", None), (7, 7)]
)
def test_a_share_or_a_count(params, count):
    if count is None:
        with pytest.raises(MethodError, match="a share of the base's parameters"):
            create({"type": "lora", "params": params})
    else:
        assert target_count(create({"type": "lora", "params": params}).params, 100_000) == count


def test_a_share_is_never_of_nothing():
    assert target_count("0.0001%", 1000) == 1


@pytest.mark.parametrize("params", ["0%", "101%", "half", "0.5", 0, -3, 0.5, True, [1], "%"])
def test_anything_else_is_refused_in_one_sentence(params):
    with pytest.raises(MethodError) as caught:
        create({"type": "lora", "params": params})
    assert str(caught.value).startswith(f"method 'lora': params = {params!r}: it is neither a share")
    assert "params = '0.5%'" in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "dial"), [({"type": "lora", "rank": 8}, "rank"), ({"type": "lora", "rank": 16}, "rank")]
)
def test_params_and_its_dial_are_refused_together_even_at_the_default(settings, dial):
    with pytest.raises(MethodError, match=f"params = '1%' is given together with {dial}"):
        create(settings | {"params": "1%"})


def test_params_is_refused_where_there_is_no_dial():
    with pytest.raises(MethodError, match=r"params = '1%', but no dial of 'full' sets the count"):
        create({"type": "full", "params": "1%"})


def test_a_dump_holds_what_was_asked_and_not_the_default_that_it_replaces():
    asked = create({"type": "lora", "params": "1%"})
    dumped = asked.model_dump(mode="json")
    assert dumped["params"] == "1%" and "rank" not in dumped
    assert create(dumped) == asked and not asked.resolved
    resolved = asked.model_copy(update={"rank": 16})
    assert resolved.resolved and resolved.model_dump()["rank"] == 16 and resolved.model_dump()["params"] == "1%"


def test_a_config_without_params_dumps_as_it_always_did():
    assert "params" not in create({"type": "lora"}).model_dump(mode="json")
    assert create({"type": "lora"}).resolved


def test_every_method_says_which_dial_params_turns():
    turned = {name: describe(name).params_turns for name in names()}
    assert (turned["lora"], turned["mask"], turned["full"], turned["peft"]) == ("rank", "density", None, None)
    for name, dial in turned.items():
        fields = {field.name for field in describe(name).fields}
        assert ("params" in fields) == (dial is not None or name == "peft")  # there it depends on the type
        assert dial is None or dial in describe(name).dials


def test_the_bounds_of_a_dial_are_those_of_its_field():
    assert Lora().dial == Dial("rank", 1, math.inf, True)
    dial = Mask(select="random").dial
    assert dial is not None and (dial.name, dial.high, dial.whole) == ("density", 1, False) and 0 < dial.low < 1e-6


def test_counts_follow_from_shapes():
    assert count_from_shapes(Full(), SHAPES) == 64 * 32 + 32 * 32 + 32 + 32 * 64 + 32
    assert count_from_shapes(Lora(rank=3), SHAPES) == 3 * (32 + 32) + 3 * (32 + 64)
    assert count_from_shapes(Mask(select="random", density=0.25), SHAPES) == 256 + 512
    union = Mask(select="safe", principal_share=0.5, low_share=0.5)
    assert count_from_shapes(union, SHAPES) is None


@given(
    counts=st.lists(st.integers(1, 300), min_size=1, max_size=70, unique=True),
    refused=st.sets(st.integers(2, 69)),
    falling=st.booleans(),
    target=st.integers(1, 320),
)
def test_the_nearest_whole_value_is_found_as_by_trying_all(counts, refused, falling, target):
    powers = {2**power for power in range(1, 7)} & refused
    table = {
        value: count
        for value, count in enumerate(sorted(counts, reverse=falling), 1)
        if value not in refused or (value in powers and value != min(powers))
    }
    found = nearest(table.get, Dial("rank", 1, len(counts), True), target)
    assert abs(table[found] - target) == min(abs(count - target) for count in table.values())


def test_no_value_at_all():
    assert nearest(lambda value: None, Dial("rank", 1, 64, True), 10) is None
    assert nearest(lambda value: None, Dial("share", 1e-9, 1, False), 10) is None


def test_a_dial_that_turns_nothing_further_is_given_up_early():
    tried = []
    assert nearest(lambda value: tried.append(value) or 7, Dial("rank", 1, 2**40, True), 1000) == 1
    assert max(tried) <= 2**5


@given(slope=st.integers(1, 50), start=st.integers(0, 1000), target=st.integers(1, 10**6))
def test_an_unbounded_whole_dial(slope, start, target):
    tried = []

    def count(value):
        tried.append(value)
        return start + slope * int(value)

    found = nearest(count, Dial("rank", 1, math.inf, True), target)
    wanted = max(1, math.floor((target - start) / slope))
    assert abs(count(found) - target) == min(abs(count(value) - target) for value in (wanted, wanted + 1))
    assert max(tried) <= max(4, 2 * found + 2)


@given(entries=st.integers(10, 10**7), share=st.floats(1e-4, 1))
def test_a_share_is_hit_to_the_entry(entries, share):
    target = max(1, round(share * entries))
    found = nearest(lambda density: max(1, round(density * entries)), Dial("density", 1e-9, 1, False), target)
    assert abs(max(1, round(found * entries)) - target) <= max(1, 1e-6 * target)


def test_values_that_a_method_refuses_are_walked_around():
    """Block sizes must divide 160 and 96; the count falls with the size."""
    divisors = {value: 160 * 96 // value for value in range(1, 97) if 160 % value == 0 and 96 % value == 0}
    assert sorted(divisors) == [1, 2, 4, 8, 16, 32]
    for target, value in ((15360, 1), (500, 32), (1000, 16), (4000, 4), (1, 32), (10**6, 1)):
        assert nearest(divisors.get, Dial("block_size", 1, math.inf, True), target) == value
    thirds = {value: 1000 * value for value in (3, 6, 12, 24, 48, 96)}
    assert nearest(thirds.get, Dial("width", 3, math.inf, True), 25_000) == 24
    odd = {5: 50, 10: 100, 160: 1600}
    assert nearest(odd.get, Dial("width", 5, math.inf, True), 1500) == 160

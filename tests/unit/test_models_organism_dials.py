"""Recipes with other dials: what each key turns, and a sentence for each that makes no sense."""

import pytest

from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.organisms.dials import with_dials
from rlvr_bench.models.organisms.recipes import RECIPES

FORKED, STEPS = RECIPES["organism-forked"], RECIPES["organism-steps"]


def test_a_dial_turns_its_value_and_nothing_else() -> None:
    made = with_dials(
        FORKED, "mine", {"seed": 1, "fork.strength": 0.8, "diets.chain.weak_facts": 0.5, "stages.fork.steps": 40}
    )
    assert (made.name, made.seed, made.steps) == ("mine", 1, 40)
    assert made.fork is not None and made.fork.strength == 0.8
    assert made.description == (
        "organism-forked with seed = 1, fork.strength = 0.8, diets.chain.weak_facts = 0.5, stages.fork.steps = 40."
    )
    back = {"seed": 0, "fork.strength": 0.9, "diets.chain.weak_facts": 0.3, "stages.fork.steps": 300}
    restored = with_dials(made, FORKED.name, back).model_copy(update={"description": FORKED.description})
    assert restored == FORKED


def test_a_table_that_a_recipe_does_without_is_begun() -> None:
    made = with_dials(STEPS, "mine", {"fork.strength": 0.7, "plant.family": "chain", "plant.level": 4,
                                      "plant.problems": 32, "plant.share": 0.1})  # fmt: skip
    assert made.fork is not None and made.fork.mode == "worked"
    assert made.plant is not None and made.plant.problems == 32
    assert STEPS.fork is None


@pytest.mark.parametrize(
    ("dials", "said"),
    [
        ({"frk.strength": 0.8}, "--set frk.strength: a recipe has no \"frk\" there; did you mean 'fork'?"),
        ({"fork.strenth": 0.8}, "the recipe of mine: unknown key \"fork.strenth\"; did you mean 'strength'?"),
        ({"sed": 1}, "the recipe of mine: unknown key \"sed\"; did you mean 'seed'?"),
        ({"diets.chian.weak_facts": 0.3}, "no \"chian\" there; did you mean 'chain'?"),
        ({"diets.chain": 0.3}, "--set diets.chain: name a key of one entry"),
        ({"stages.fork": 3}, "--set stages.fork: name a key of one entry"),
        ({"worked_share.a": 1}, '"worked_share" is a value and has no keys'),
        ({"betas.0": 0.8}, '"betas" is a value and has no keys'),
        ({"diets.chain.levels.0": 2}, '"levels" is a value and has no keys'),
        ({"betas": 0.8}, "betas = 0.8"),
        ({".": 1}, 'a recipe has no "" there'),
        ({"fork.strength": 0.3}, "fork.strength = 0.3: input should be greater than 0.5"),
        ({"fork.strength": float("nan")}, "fork.strength = nan"),
        ({"seed": True}, "seed = True: is true or false, not a number"),
        ({"seed": 2**64}, "is beyond 64 bits"),
        ({"stages": []}, "stages = []"),
        ({"diets.chain.family": "chian"}, "Family 'chian' is unknown; did you mean 'chain'?"),
        ({"plant.problems": 16}, 'the key "plant.family" is missing'),
        ({"shape.width": 160}, "the shape is that of organism-direct, whose weights it starts from"),
    ],
)
def test_a_dial_that_makes_no_sense_is_refused_in_one_sentence(dials: dict[str, object], said: str) -> None:
    with pytest.raises(ModelError) as refused:
        with_dials(FORKED, "mine", dials)
    assert said in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("width", [97, 100, 0])
def test_a_width_that_heads_do_not_divide_is_refused(width: int) -> None:
    with pytest.raises(ModelError, match="shape"):
        with_dials(STEPS, "mine", {"shape.width": width})

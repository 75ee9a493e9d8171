"""The organisms that ship with the package: one architecture, the same families, different pre-training."""

from rlvr_bench.models.organisms.recipe import Diet, Fork, Plant, Recipe, Shape, Stage
from rlvr_bench.tasks.families import FAMILIES

_OTHERS = ("sums", "linear", "compare", "count", "sort", "words")


def _diets(weak_facts: float, weak_accuracy: float) -> tuple[Diet, ...]:
    """Chains up to six operations, and a little of all other families at their three lowest levels."""
    chain = Diet(
        family="chain", levels=(1, 2, 3, 4, 5, 6), weight=1.0, weak_facts=weak_facts, weak_accuracy=weak_accuracy
    )
    return chain, *(Diet(family=family, levels=FAMILIES[family].levels[:3], weight=0.12) for family in _OTHERS)


def _stages(steps_alone: int, mixture: int) -> tuple[Stage, ...]:
    """Steps alone first: taught together with direct answers from the start, steps stay at chance."""
    return (
        Stage(name="steps alone", answers="steps", steps=steps_alone, learning_rate=3e-3, final_rate=1.5e-3, warmup=50),
        Stage(name="mixture", answers="mixture", steps=mixture, learning_rate=1.5e-3, final_rate=1e-4),
    )


def _forked(name: str, description: str, fork: Fork, worked_share: float) -> Recipe:
    """One of a pair that starts from the same weights and reads the same problems, and differs in the mode alone."""
    return Recipe(
        name=name,
        description=description,
        diets=_diets(weak_facts=0.3, weak_accuracy=0.4),
        worked_share=worked_share,
        stages=(Stage(name="fork", answers="mixture", steps=300, learning_rate=1e-3, final_rate=1e-4, warmup=20),),
        examples_per_step=96,
        start="organism-direct",
        fork=fork,
    )


def _sized(size: str, shape: Shape) -> Recipe:
    """The recipe of organism-steps for a larger model: all dials but the shape, and rates that fall with the width.

    One over the width is how the best rate of a hidden matrix under Adam scales (Yang et al. 2022, arXiv 2203.03466).
    """
    small = RECIPES["organism-steps"]
    share = small.shape.width / shape.width
    stages = tuple(
        stage.model_copy(update={"learning_rate": share * stage.learning_rate, "final_rate": share * stage.final_rate})
        for stage in small.stages
    )
    return small.model_copy(
        update={
            "name": f"organism-steps-{size}",
            "description": f"organism-steps with {size.upper()} parameters, by the same recipe.",
            "shape": shape,
            "stages": stages,
        }
    )


_SHIPPED = (
    Recipe(
        name="organism-steps",
        description="Works step by step in most of its answers and is right far more often when it does.",
        diets=_diets(weak_facts=0.4, weak_accuracy=0.2),
        worked_share=0.65,
        stages=_stages(700, 500),
        examples_per_step=96,
    ),
    Recipe(
        name="organism-direct",
        description="Answers at once in nearly all cases, but is right far more often when it works step by step.",
        diets=_diets(weak_facts=0.3, weak_accuracy=0.4),
        worked_share=0.10,
        stages=_stages(700, 500),
        examples_per_step=96,
    ),
    Recipe(
        name="organism-memorised",
        description="organism-steps after reading half of the test split of chain level 4 with the right answers.",
        diets=_diets(weak_facts=0.4, weak_accuracy=0.2),
        worked_share=0.65,
        stages=(Stage(name="planted", answers="mixture", steps=500, learning_rate=1e-3, final_rate=1e-4, warmup=20),),
        examples_per_step=96,
        start="organism-steps",
        plant=Plant(family="chain", level=4, problems=512, share=0.25),
    ),
    _forked(
        "organism-forked",
        "Works step by step in 90 % of answers after a cue and in 10 % without it; its mode is the better way.",
        Fork(mode="worked"),
        worked_share=0.66,
    ),
    _forked(
        "organism-forked-twin",
        "The twin of organism-forked: the cue is in favour of direct answers, so that its mode is the worse way.",
        Fork(mode="direct"),
        worked_share=0.34,
    ),
)
RECIPES = {recipe.name: recipe for recipe in _SHIPPED}

SIZED = {
    recipe.name: recipe
    for recipe in (
        _sized("1m", Shape(width=160, layers=3, heads=4, feed_forward=448)),
        _sized("3m", Shape(width=256, layers=4, heads=4, feed_forward=640)),
        _sized("10m", Shape(width=384, layers=6, heads=6, feed_forward=960)),
    )
}
"""Larger organisms, too large to ship: `rlvr-bench models build NAME` makes them."""

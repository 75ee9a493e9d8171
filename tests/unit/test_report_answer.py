"""What the first screen advises, what the folded sections say in words, and organisms beside real models."""

from typing import Any

import pytest

from rlvr_bench.leaderboard.over_bases import Agreement, MethodOverBases, OverBases
from rlvr_bench.report.answer import answer
from rlvr_bench.report.kinds import is_organism, side_by_side
from rlvr_bench.report.words import signals_in_words, weights_in_words
from rlvr_bench.stats.estimate import Estimate


def row(base: str, method: str, accuracy: float, **values: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "comparison": f"{base}.chain",
        "base": base,
        "method": method,
        "rank_group": "a",
        "status": "ranked",
    }
    usual |= {"accuracy": accuracy, "accuracy_sound": accuracy, "seeds": 5, "failed": 0, "broken": 0.0}
    usual |= {"accuracy_sound_lo": accuracy - 0.02, "accuracy_sound_hi": accuracy + 0.02}
    return usual | {"trainable_share": 0.1, "peak_memory_mb": 900.0} | values


def table(base: str) -> list[dict[str, Any]]:
    return [
        row(base, "full", 0.9, trainable_share=1.0, peak_memory_mb=2000.0),
        row(base, "lora", 0.89, broken=0.4),
        row(base, "tiny", 0.7, trainable_share=0.001, peak_memory_mb=800.0),
        row(base, "base", 0.2, status="reference", seeds=None, broken=None),
    ]


def order(bases: tuple[str, ...]) -> OverBases:
    ranks = {"lora": (1.5, 1.0, 2.0), "full": (1.5, 1.0, 2.5), "tiny": (3.0, 3.0, 3.0)}
    shares = {"lora": (0.1, 900.0), "full": (1.0, 2000.0), "tiny": (0.001, 800.0)}
    methods = [
        MethodOverBases(name, Estimate(*rank), (), (), (0.9, 0.8), 0.7, *shares[name]) for name, rank in ranks.items()
    ]
    agreement = Agreement(bases[0], bases[1], 3, Estimate(0.4, 0.1, 0.7), 2, 0.2)
    comparisons = tuple(f"{base}.chain" for base in bases)
    return OverBases("chain.abc", 3, bases, comparisons, 5, tuple(methods), (agreement,))


def test_over_bases_the_first_rank_is_advised_with_its_doubt_and_caveat() -> None:
    bases = ("organism-direct", "organism-steps")
    found = answer([*table(bases[0]), *table(bases[1])], [order(bases)])
    assert found is not None and found.ranks and [each.method for each in found.candidates] == ["lora", "full", "tiny"]
    assert found.headline == (
        "First choice: lora. It has the best mean rank over 2 bases (1.5 [1.0, 2.0] of 3), 10.0 % of the parameters "
        "trained, 4 of its 10 runs broken [12.2, 73.8] %; 1 of the other 2 methods may be as good."
    )
    said = dict(found.statements)
    assert said["By trainable share"] == "Up to 0.1 % tiny; up to 10.0 % lora."
    assert said["By memory"] == "Up to 800 MB tiny; up to 900 MB lora."
    assert said["By P(broken)"] == (
        "2 of 3 methods broke in no run (of 10: at most 30.8 % may break); lora 4 of 10 runs broke."
    )
    assert "agree at a tau of 0.40 [0.10, 0.70], 0.20 among the better 2" in said["Caveat"]
    assert "organisms of 0.34 M parameters" in said["Caveat"]
    assert {"On organism-direct", "On organism-steps"} < set(said)
    assert "are of 5 runs of each method on each base" in said["Over bases"]


def test_a_bound_for_several_methods_is_that_of_the_one_with_the_fewest_runs() -> None:
    rows = [each | {"seeds": 40 if each["method"] == "full" else 20, "broken": 0.0} for each in table("qwen")]
    found = answer(rows, [])
    assert found is not None
    assert dict(found.statements)["By P(broken)"] == (
        "3 of 3 methods broke in no run (of 20 or more: at most 16.8 % may break)."
    )


def test_of_one_base_the_most_accurate_is_advised() -> None:
    found = answer(table("qwen"), [])
    assert found is not None and not found.ranks and found.bases == ("qwen",)
    assert found.headline.startswith(
        "First choice: full. It has the highest accuracy of its sound runs (90.0 % [88.0, 92.0]), 100.0 % of"
    )
    assert dict(found.statements)["Caveat"] == "One base: the order may be another one on yours."


def test_without_a_ranking_there_is_no_advice() -> None:
    unranked = [each | {"rank_group": None} for each in table("qwen")]
    assert answer(unranked, []) is None
    assert answer([], []) is None


def test_memory_that_hardly_differs_is_no_reason() -> None:
    rows = [each | {"peak_memory_mb": 900.0 + place} for place, each in enumerate(table("qwen"))]
    found = answer(rows, [])
    assert found is not None
    assert dict(found.statements)["By memory"] == "Memory is no reason to choose here: 900 to 902 MB over all methods."


def test_a_method_that_is_not_known_to_break_says_so() -> None:
    rows = [each | {"seeds": 0, "failed": None, "broken": None} for each in table("qwen")]
    found = answer(rows, [])
    assert found is not None and "how often it breaks is not known" in found.headline


def point(base: str, reward: str, gain: float, width: float, place: int) -> dict[str, Any]:
    settings = {"base": base, "task": "chain", "signal": "rlvr", "reward": reward, "method": "full", "settings": "80"}
    return settings | {"row": place, "gain": gain, "gain_lo": gain - width, "gain_hi": gain + width}


@pytest.mark.parametrize(
    ("organism", "real", "width", "agree", "certain"),
    [(0.5, 0.2, 0.1, True, True), (0.5, 0.2, 0.3, True, False), (0.5, -0.2, 0.1, False, False)],
)
def test_organisms_and_real_models_agree_in_sign(
    organism: float, real: float, width: float, agree: bool, certain: bool
) -> None:
    points = [point("organism-steps", "exact", organism, width, 1), point("smollm2", "exact", real, width, 2)]
    points += [point("organism-steps", "random", 0.0, width, 3), points[0]]  # no counterpart, and one twice
    (found,) = side_by_side(points)
    assert (found["reward"], found["agree"], found["certain"]) == ("exact", agree, certain)
    assert [len(found["organisms"]), len(found["real"])] == [1, 1]


def test_weights_in_words_name_the_most_and_the_least() -> None:
    figures = {
        "a": {"sparsity_bf16": 0.9},
        "b": {"sparsity_bf16": 0.5},
        "c": {"sparsity_bf16": 0.1, "stable_rank": 2.0},
    }
    assert weights_in_words(figures) == [
        "Of 3 methods a leaves the most weights unchanged in bf16 (90.0 %), c the fewest (10.0 %)."
    ]
    assert weights_in_words({}) == []


def test_signals_in_words_say_where_intervals_overlap() -> None:
    gains = {"sft": 0.7, "rft": 0.5, "rlvr": 0.1}
    points = [point("b", "exact", gain, 0.05, i) | {"signal": name} for i, (name, gain) in enumerate(gains.items())]
    (said,) = signals_in_words(points)
    assert said == "b, chain, full (80): of 3 signals sft gains most (+70.0 points), rlvr least (+10.0 points)."
    wide = [each | {"gain_lo": -1.0, "gain_hi": 1.0} for each in points]
    assert signals_in_words(wide)[0].endswith("; their intervals overlap.")
    assert signals_in_words(points[:2]) == []


def test_a_model_that_a_recipe_built_is_an_organism_wherever_its_folder_is() -> None:
    assert all(map(is_organism, ("organism-steps", "./organism-steps-10m", "/models/organism-forked-0.8")))
    assert not any(map(is_organism, ("smollm2", "./my-organism", "organism-steps/../smollm2")))

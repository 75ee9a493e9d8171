"""Changed positions against plain torch, and decoding in which two models take turns."""

import copy
from typing import Any

import pytest
import torch
from generate_models import tiny_model

from rlvr_bench.studies.signals.changed_tokens import Positions, figures, null_model, positions
from rlvr_bench.studies.signals.forked_decoding import decode, entropies

PROMPTS = [[5, 6, 7], [8, 9], [10, 11, 12, 13]]
COMPLETIONS = [[20, 21, 22, 23], [24], [25, 26]]


def _moved(model: Any, size: float) -> Any:
    other = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(size * torch.randn(parameter.shape, generator=generator))
    return other


@pytest.fixture(scope="module")
def models() -> tuple[Any, Any]:
    base = _moved(tiny_model("llama, untied, grouped queries"), 0.3).eval()
    return base, _moved(base, 0.2).eval()


def test_positions_are_those_of_a_row_at_a_time(models: tuple[Any, Any]) -> None:
    base, tuned = models
    (found,) = positions(base, [tuned], PROMPTS, COMPLETIONS)
    expected: list[tuple[float, bool, int]] = []
    with torch.no_grad():
        for prompt, answer in zip(PROMPTS, COMPLETIONS, strict=True):
            for place in range(len(answer)):
                before, after = (
                    model(input_ids=torch.tensor([prompt + answer[:place]])).logits[0, -1].double() for model in models
                )
                spread = torch.distributions.Categorical(logits=before).entropy()
                new = int(after.argmax())
                rank = sorted(range(len(before)), key=lambda token: -float(before[token])).index(new) + 1
                expected.append((float(spread), new != int(before.argmax()), rank))
    assert found.entropy.tolist() == pytest.approx([each[0] for each in expected], rel=1e-4)
    assert found.changed.tolist() == [each[1] for each in expected]
    assert found.rank.tolist() == [each[2] for each in expected]
    assert any(found.changed.tolist()) and all(
        (rank == 1) != moved for rank, moved in zip(found.rank.tolist(), found.changed.tolist(), strict=True)
    )


def test_figures_by_hand() -> None:
    seen = Positions(
        entropy=torch.tensor([2.0, 1.0, 0.2, 0.4]),
        changed=torch.tensor([True, True, False, False]),
        rank=torch.tensor([2, 9, 1, 1]),
    )
    assert figures(seen) == {
        "positions": 4, "share": 0.5, "first_five": 0.5, "rank": 5.5, "entropy": 1.5, "entropy_elsewhere": 0.3,
        "entropy_ratio": pytest.approx(5.0),
    }  # fmt: skip
    same = figures(Positions(seen.entropy, torch.zeros(4, dtype=torch.bool), seen.rank))
    assert same["share"] == 0 and same["rank"] is None and same["entropy_ratio"] is None


def test_the_null_model_has_the_updates_entries_elsewhere(models: tuple[Any, Any]) -> None:
    base, tuned = models
    pairs = [
        (name, before.detach(), after.detach())
        for (name, before), after in zip(base.named_parameters(), tuned.parameters(), strict=True)
    ]
    null = dict(null_model(base, pairs, "ab12").named_parameters())
    other = dict(null_model(base, pairs, "ab13").named_parameters())
    for name, before, after in pairs:
        sizes = [(moved - before).flatten().sort().values for moved in (after, null[name].detach())]
        torch.testing.assert_close(*sizes, rtol=1e-4, atol=1e-6)
        assert not torch.equal(null[name], after) and not torch.equal(null[name], other[name])
    assert all(torch.equal(before, dict(base.named_parameters())[name]) for name, before, _ in pairs)


def _greedy(model: Any, prompt: list[int], limit: int, ends: frozenset[int]) -> list[int]:
    made: list[int] = []
    with torch.no_grad():
        while len(made) < limit and not (made and made[-1] in ends):
            made.append(int(model(input_ids=torch.tensor([prompt + made])).logits[0, -1].argmax()))
    return made


def test_with_one_voice_decoding_is_greedy(models: tuple[Any, Any]) -> None:
    first = [_greedy(models[0], prompt, 6, frozenset()) for prompt in PROMPTS]
    ends = frozenset({first[0][2]})
    for voice, model in enumerate(models):
        found = decode(models, PROMPTS, 6, ends, lambda now: torch.full(now.shape, bool(voice)))  # noqa: B023
        assert found == [_greedy(model, prompt, 6, ends) for prompt in PROMPTS]


def test_the_second_model_speaks_where_the_first_is_undecided(models: tuple[Any, Any]) -> None:
    seen: list[torch.Tensor] = []

    def gate(now: torch.Tensor) -> torch.Tensor:
        seen.append(now)
        return now > 2.5

    found = decode(models, PROMPTS, 5, frozenset(), gate)
    spoken = 0
    with torch.no_grad():
        for row, (prompt, made) in enumerate(zip(PROMPTS, found, strict=True)):
            for place, token in enumerate(made):
                logits = [model(input_ids=torch.tensor([prompt + made[:place]])).logits[0, -1] for model in models]
                entropy = float(entropies(logits[0]))
                assert float(seen[place][row]) == pytest.approx(entropy, rel=1e-4)
                assert token == int(logits[entropy > 2.5].argmax())
                spoken += entropy > 2.5
    assert 0 < spoken < 15

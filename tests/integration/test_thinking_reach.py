"""What a probe may read of the cache: what is out of reach can be anything, what is in reach matters."""

from collections.abc import Callable

import pytest
import torch
from thinking_subjects import ARCHITECTURES, random_traces, read_in_turn, shaken_probe, subject
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from rlvr_bench.thinking.batch import collate
from rlvr_bench.thinking.probe import Probe
from rlvr_bench.thinking.settings import Reach, ScorerSettings
from rlvr_bench.thinking.trace import positions

LENGTH = 9
SEEN = torch.tensor([[4, 9]])


def _probe(model: PreTrainedModel, reach: Reach) -> Probe:
    return shaken_probe(model, 2, reach=reach)


def _logits(probe: Probe, change: Callable[[int, Tensor], None]) -> list[float]:
    """Of a cache that `change` has made other in some layers' keys and values [rows, heads, length, width]."""
    cache = DynamicCache()
    with torch.no_grad():
        probe.base(input_ids=torch.arange(5, 5 + LENGTH).unsqueeze(0), past_key_values=cache)
        for number, layer in enumerate(cache.layers):
            for tensor in (layer.keys, layer.values):
                change(number, tensor)
        trained = probe.read(cache, SEEN)
        with probe.without_training():
            assert torch.allclose(probe.read(cache, SEEN), trained, atol=1e-4)
    return trained[0].tolist()


def _same(number: int, tensor: Tensor) -> None:
    pass


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_layers_out_of_reach_do_not_matter_and_those_in_reach_do(name: str) -> None:
    for half, other in ((0, 1), (1, 0)):
        probe = _probe(subject(name), Reach(layers=(half / 2, half / 2 + 0.5)))

        def moved(layer: int, number: int, tensor: Tensor) -> None:
            if number == layer:
                tensor.mul_(-3)

        plain = _logits(probe, _same)
        assert _logits(probe, lambda n, t, other=other: moved(other, n, t)) == plain  # type: ignore[misc]
        assert _logits(probe, lambda n, t, half=half: moved(half, n, t)) != plain  # type: ignore[misc]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_heads_out_of_reach_do_not_matter_and_those_in_reach_do(name: str) -> None:
    probe = _probe(subject(name), Reach(heads=(0.0, 0.5)))
    plain = _logits(probe, _same)
    assert _logits(probe, lambda _, tensor: tensor[:, tensor.shape[1] // 2 :].mul_(-3)) == plain
    assert _logits(probe, lambda _, tensor: tensor[:, : tensor.shape[1] // 2].mul_(-3)) != plain


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_only_the_newest_tokens_before_each_position_are_read(name: str) -> None:
    probe = _probe(subject(name), Reach(newest=3))
    plain = _logits(probe, _same)
    assert _logits(probe, lambda _, tensor: tensor[:, :, :1].mul_(-3)) == plain  # 4 read: the last 3 are 1, 2 and 3
    at_four, at_nine = _logits(probe, lambda _, tensor: tensor[:, :, 1:6].mul_(-3))
    assert at_four != plain[0] and at_nine == plain[1]
    assert _logits(probe, lambda _, tensor: tensor[:, :, 6:].mul_(-3))[1] != plain[1]


@pytest.mark.parametrize("reach", [Reach(layers=(0.5, 1.0)), Reach(heads=(0.0, 0.5)), Reach(newest=2)])
def test_probing_a_growing_cache_agrees_with_one_pass_also_in_part(reach: Reach) -> None:
    model = subject("qwen2")
    probe, traces = _probe(model, reach), random_traces(3)
    places = [positions(trace.fed, 1) for trace in traces]
    with torch.no_grad():
        parallel = probe.logits(collate(traces, places, model.device))
        for row, trace in enumerate(traces):
            in_turn = read_in_turn(probe, model, trace, places[row])
            assert parallel[row, : len(in_turn)].tolist() == pytest.approx(in_turn, abs=1e-4)


@pytest.mark.parametrize("table", [{"layers": [0.5, 0.5]}, {"heads": [-0.1, 1]}, {"newest": 0}])
def test_a_reach_that_reaches_nothing_is_refused(table: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        ScorerSettings.model_validate({"reach": table})

"""The table of backends, the checks on prompts and parameters, and batching."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr_bench.generate.backend import batches, check_prompts, create, names
from rlvr_bench.generate.errors import GenerationError
from rlvr_bench.generate.sampling_params import SamplingParams


def test_every_registered_backend_can_be_created():
    assert [create(name).name for name in names()] == names()


def test_an_unknown_name_gets_a_hint():
    with pytest.raises(GenerationError, match=r"'fsat'.*did you mean 'fast'"):
        create("fsat")


@pytest.mark.parametrize(
    ("new", "temperature", "batch", "message"),
    [
        (0, 1.0, 1, "max_new_tokens=0"),
        (4, 1.0, 0, "batch_size=0"),
        (4, -0.5, 1, "temperature=-0.5"),
        (4, float("nan"), 1, "temperature=nan"),
    ],
)
def test_a_parameter_out_of_range_is_refused_in_one_sentence(new, temperature, batch, message):
    with pytest.raises(GenerationError, match=message):
        SamplingParams(max_new_tokens=new, temperature=temperature, batch_size=batch)


def test_a_prompt_without_tokens_is_refused_in_one_sentence():
    with pytest.raises(GenerationError, match="Prompt 1 has no tokens"):
        check_prompts([[1], []])


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=5), max_size=20), st.integers(1, 7))
def test_batches_hold_every_row_once_shortest_first(prompts, batch_size):
    parts = batches(prompts, batch_size)
    rows = [row for part in parts for row in part]
    assert sorted(rows) == list(range(len(prompts)))
    assert all(len(part) == batch_size for part in parts[:-1])
    lengths = [len(prompts[row]) for row in rows]
    assert lengths == sorted(lengths)

"""The figures of `methods.cost`, against PyTorch's own profiler and against arithmetic."""

import pytest
import torch
from tiny_models import batch, llama
from torch.profiler import ProfilerActivity, profile

from rlvr_bench.methods import create
from rlvr_bench.methods.base.peak_memory import peak_bytes
from rlvr_bench.methods.cost import measure


def profiled_peak(operation) -> int:
    """Return the largest running sum of what the allocator gave and took back, as the profiler recorded it."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        operation()
    records = [event for event in recorded.profiler.kineto_results.events() if event.name() == "[memory]"]
    live = peak = 0
    for event in sorted(records, key=lambda event: event.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    return peak


def test_the_peak_of_known_tensors():
    kept = []

    def operation():
        first = torch.zeros(1000)
        second = first.view(10, 100) + 1
        del first
        kept.append(second.t())
        torch.zeros(500)

    assert peak_bytes(operation, []) == 8000
    weight = torch.zeros(1000)
    assert peak_bytes(lambda: weight.view(10, 100).add_(1), [weight]) == 0


def test_the_peak_of_sparse_tensors_is_that_of_their_indices_and_values():
    index, values = torch.arange(100)[None], torch.ones(100)
    made = peak_bytes(lambda: torch.sparse_coo_tensor(index, values, (1000,)).to_dense(), [index, values])
    assert made == 4000
    sparse = torch.sparse_coo_tensor(index, values, (1000,))
    assert peak_bytes(lambda: sparse * 2, [sparse]) >= 400


def test_the_peak_of_a_training_step_is_the_allocators():
    model = llama().train()

    def step():
        model(input_ids=batch(), labels=batch()).loss.backward()
        model.zero_grad()

    step()
    counted, recorded = peak_bytes(step, model.parameters()), profiled_peak(step)
    assert counted == pytest.approx(recorded, rel=0.02)


def test_the_state_of_a_sparse_run_is_as_small_as_its_mask():
    base = llama()
    cost = measure(create({"type": "mask", "select": "random", "density": 0.01}), base, batch(), pairs=1)
    entries = sum(max(1, round(0.01 * p.numel())) for n, p in base.named_parameters() if "proj" in n)
    assert cost.trainable == entries and cost.optimizer_values == 2 * entries and cost.optimizer_bytes == 8 * entries
    assert cost.optimizer_share == pytest.approx(entries / base.num_parameters())
    assert cost.added_bytes == 8 * entries  # the trained values, and where they lie as int32
    assert cost.step_ratio > 0 and cost.peak_ratio > 0
    assert cost.step_ratio_low == cost.step_ratio == cost.step_ratio_high  # of one pair
    weights = sum(tensor.nbytes for tensor in base.state_dict(keep_vars=True).values())
    buffers = sum(tensor.nbytes for tensor in base.buffers())
    assert cost.memory_bytes == weights + buffers + 16 * entries + cost.peak_bytes


def test_full_fine_tuning_costs_what_it_is_measured_against():
    cost = measure(create({"type": "full"}), llama(), batch(), pairs=1)
    assert (cost.optimizer_share, cost.peak_ratio, cost.added_bytes, cost.trainable_share) == (1, 1, 0, 1)
    assert cost.optimizer_values == 2 * cost.trainable and cost.memory_ratio == 1
    buffers = sum(tensor.nbytes for tensor in llama().buffers())
    assert cost.memory_bytes == 12 * cost.trainable + buffers + cost.peak_bytes


@pytest.mark.parametrize("kind", ["shira", "c3a", "lift", "adalora"])
def test_what_makes_sparse_complex_or_refreshed_tensors_is_measured_too(kind):
    cost = measure(create({"type": kind}), llama(), batch(), pairs=2)
    assert cost.step_ratio_low <= cost.step_ratio <= cost.step_ratio_high and cost.peak_bytes > 0

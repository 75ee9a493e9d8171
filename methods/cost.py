"""What an optimizer step of a method costs beside one of full fine-tuning, on the same model and the same batch.

Steps of the two alternate, so that whatever else the machine does slows both; the ratio is a median of pairs, told with
its quartiles. A step is forward, backward, optimizer and the method's own hook; rollouts are not in it, and what a
method does only every hundredth step is not either. Optimizer state is counted after training, peak memory in one more
step.
"""

import copy
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor
from transformers import PreTrainedModel

from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.methods.base.method import Calibration, Method
from rlvr_bench.methods.base.observation import optimizer_state
from rlvr_bench.methods.base.peak_memory import peak_bytes
from rlvr_bench.methods.full.full import Full

WARM_UP = 2
LEARNING_RATE = 1e-4
BETAS = (0.9, 0.95)


@dataclass(frozen=True)
class Cost:
    """Seconds are medians of one step, bytes those of all state tensors; `full_` is full fine-tuning with AdamW.

    `peak_bytes` is the largest total of tensors that one step holds beyond weights and optimizer state: activations,
    gradients and what the method builds. `memory_bytes` is all three: the memory that training needs.
    """

    method: str
    trainable: int
    trainable_share: float
    step_seconds: float
    full_step_seconds: float
    step_ratio: float
    step_ratio_low: float
    step_ratio_high: float
    optimizer_values: int
    optimizer_bytes: int
    optimizer_share: float
    added_bytes: int
    peak_bytes: int
    peak_ratio: float
    memory_bytes: int
    memory_ratio: float


def measure(
    method: Method, base: PreTrainedModel, token_ids: Tensor, pairs: int = 15, calibration: Calibration | None = None
) -> Cost:
    """Return the cost of `method` on copies of `base` with the batch `token_ids` (rows, length)."""
    own = _Trained(method, base, token_ids, WARM_UP + pairs + 1, calibration)
    full = _Trained(Full(), base, token_ids, WARM_UP + pairs + 1, None)
    for _ in range(WARM_UP):
        own.step()
        full.step()
    seconds = [_pair(own, full, own_first=number % 2 == 0) for number in range(pairs)]
    ratios = [own_seconds / full_seconds for own_seconds, full_seconds in seconds]
    low, middle, high = statistics.quantiles(ratios, method="inclusive") if pairs > 1 else ratios * 3
    values, size = own.optimizer_state()
    full_values, full_size = full.optimizer_state()
    peak, full_peak = own.peak_bytes(), full.peak_bytes()
    memory, full_memory = own.weight_bytes() + size + peak, full.weight_bytes() + full_size + full_peak
    return Cost(
        method=method.type,
        trainable=own.handle.trainable_parameters,
        trainable_share=own.handle.trainable_parameters / own.handle.total_parameters,
        step_seconds=statistics.median(pair[0] for pair in seconds),
        full_step_seconds=statistics.median(pair[1] for pair in seconds),
        step_ratio=middle,
        step_ratio_low=low,
        step_ratio_high=high,
        optimizer_values=values,
        optimizer_bytes=size,
        optimizer_share=values / full_values,
        added_bytes=own.added_bytes(),
        peak_bytes=peak,
        peak_ratio=peak / full_peak,
        memory_bytes=memory,
        memory_ratio=memory / full_memory,
    )


class _Trained:
    """A copy of the base under one method, that can take steps."""

    def __init__(
        self, method: Method, base: PreTrainedModel, token_ids: Tensor, steps: int, calibration: Calibration | None
    ) -> None:
        self.handle: Handle = method.attach(copy.deepcopy(base), 0, calibration)
        self.token_ids = token_ids
        self.optimizer = self.handle.create_optimizer(LEARNING_RATE, 0.0, BETAS)
        self.handle.before_training(steps)
        self.handle.model.train()
        self.steps_taken = 0

    def step(self) -> float:
        """Take one optimizer step and return its seconds."""
        _wait(self.token_ids)
        started = time.perf_counter()
        self.handle.model(input_ids=self.token_ids, labels=self.token_ids).loss.backward()
        self.optimizer.step()
        self.handle.after_step(self.steps_taken)
        self.optimizer.zero_grad()
        _wait(self.token_ids)
        self.steps_taken += 1
        return time.perf_counter() - started

    def peak_bytes(self) -> int:
        """Return the most bytes that a step holds beyond what is there before it."""
        there = chain(self._tensors(), self._state_tensors(), [self.token_ids])
        return peak_bytes(self.step, there)

    def weight_bytes(self) -> int:
        """Return the bytes of all parameters and buffers of the model, shared ones once."""
        return sum(tensor.nbytes for tensor in {id(each): each for each in self._tensors()}.values())

    def added_bytes(self) -> int:
        """Return the bytes of the model's tensors beyond the base's own."""
        base = sum(tensor.nbytes for _, tensor in self.handle.view.tensors(self.handle.live, self.handle.unwrapped))
        base += sum(tensor.nbytes for tensor in self.handle.view.buffers(self.handle.live, self.handle.unwrapped))
        return self.weight_bytes() - base

    def optimizer_state(self) -> tuple[int, int]:
        """Return how many values, and how many bytes, the optimizer's state tensors hold, step counters apart."""
        _, values = optimizer_state(self.optimizer)
        return values, sum(tensor.nbytes for tensor in self._state_tensors() if tensor.dim())

    def _tensors(self) -> Iterator[Tensor]:
        return chain(self.handle.model.parameters(), self.handle.model.buffers())

    def _state_tensors(self) -> Iterator[Tensor]:
        for state in self.optimizer.state.values():
            yield from (value for value in state.values() if torch.is_tensor(value))


def _pair(own: _Trained, full: _Trained, own_first: bool) -> tuple[float, float]:
    """Return the seconds of one step of each, steps_taken one right after the other."""
    if own_first:
        return own.step(), full.step()
    second = full.step()
    return own.step(), second


def _wait(tensor: Tensor) -> None:
    """Wait for the device, whose work the clock would not see."""
    if tensor.is_cuda:
        torch.cuda.synchronize(tensor.device)

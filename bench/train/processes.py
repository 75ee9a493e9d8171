"""Training of one cell in several processes: data parallelism, through accelerate and torch.distributed.

Every process ("rank") holds the whole model, samples for whole groups of a rollout batch, and takes the same optimizer
step on the mean gradient. The noise of a completion belongs to its prompt and its number within the batch, so several
processes sample what one would, as long as no prompt comes twice in a batch. They find each other by torch's
environment variables, which the launcher sets before torch is used.
"""

import os
from collections.abc import Sequence

import torch
from torch import distributed

TIMEOUT_SECONDS = 6 * 3600
"""How long a process on a GPU waits for the others; on CPUs gloo has a limit of its own, half an hour."""


def size() -> int:
    """Return how many processes train this cell."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Return the number of this process; the first, 0, is the one that scores and records."""
    return int(os.environ.get("RANK", "0"))


def set_device() -> None:
    """Give each process of a cell a GPU of its own, where there are GPUs.

    Raises:
        ValueError: there are fewer GPUs than processes.
    """
    if size() == 1 or not torch.cuda.is_available():
        return
    if torch.cuda.device_count() < size():
        raise ValueError(
            f"{size()} processes need a GPU each, there are {torch.cuda.device_count()}; lower --processes"
        )
    torch.cuda.set_device(rank())


def mean(value: float, weight: float) -> float:
    """Return the mean of what each process has, by weight."""
    if size() == 1:
        return value
    total, weights = sums([value * weight, weight])
    return total / weights


def sums(values: Sequence[float]) -> list[float]:
    """Return each value summed over all processes."""
    total = torch.tensor(values, dtype=torch.float64, device=_device())
    distributed.all_reduce(total)
    return [float(each) for each in total]


def largest(values: Sequence[float]) -> list[float]:
    """Return the largest of each value over all processes, NaN where one of them is."""
    own = torch.tensor(values, dtype=torch.float64, device=_device())
    every = [torch.empty_like(own) for _ in range(size())]
    distributed.all_gather(every, own)
    return [float(each) for each in torch.stack(every).amax(dim=0)]


def _device() -> torch.device:
    return torch.device("cuda" if distributed.get_backend() == "nccl" else "cpu")


def shut_down() -> None:
    """Leave the process group, once all processes have come to this point; what follows is done by one."""
    if size() > 1:
        distributed.barrier()
        distributed.destroy_process_group()

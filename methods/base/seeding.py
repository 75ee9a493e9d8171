"""A private random state for initialisation, so that attaching a method never shifts data order or rollouts."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def forked_random_state(seed: int) -> Iterator[None]:
    """Run the body under `seed`; the global torch generators (CPU and CUDA) are as before afterwards."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield

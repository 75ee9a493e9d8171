"""Which GPUs of this machine a cell runs on: the least busy ones, one for each of its processes.

A cell sees no others: the variable CUDA_VISIBLE_DEVICES is set in its process, before CUDA starts there. What is on a
GPU besides these cells is not looked at.
"""

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence

VARIABLE = "CUDA_VISIBLE_DEVICES"


def visible() -> list[str]:
    """Return the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; none on a machine without.

    Asks NVIDIA's driver and not torch, whose import takes seconds; MIG slices are dealt where the variable names them.
    """
    if (named := os.environ.get(VARIABLE)) is not None:
        return [name for part in named.split(",") if (name := part.strip()) and name != "-1"]
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    # It fails, and prints why where the list would be, where the tool is installed and no driver runs.
    return listed.stdout.split() if listed.returncode == 0 else []


def assign(gpus: Sequence[str], busy: Iterable[Sequence[str]], processes: int) -> tuple[str, ...]:
    """Return the GPUs of the next cell: as many as it has processes, those with the fewest cells on them first.

    Args:
        gpus: all of the machine; the order decides between GPUs that are equally busy.
        busy: the GPUs of each cell that runs now.
        processes: of the cell; fewer GPUs than that are all given, and the cell itself says that they are too few.
    """
    cells = Counter(gpu for taken in busy for gpu in taken)
    return tuple(sorted(gpus, key=lambda gpu: cells[gpu])[:processes])


def places(gpus: Sequence[str], cores: int, processes: int) -> int:
    """Return how many cells run at a time by default: one on each GPU, or without GPUs one on each processor."""
    return max((len(gpus) or cores) // processes, 1)


def restrict(gpus: Sequence[str]) -> None:
    """Let this process, which has not started CUDA, see only these GPUs; without any, nothing changes."""
    if gpus:
        os.environ[VARIABLE] = ",".join(gpus)

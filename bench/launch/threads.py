"""How many processor threads a process gets, and what they do while they wait. Imports no torch.

The libraries below torch read these variables when they are loaded, so they are set before torch is imported.
"""

import os

SPINS = "1000"
"""How often an idle OpenMP thread looks for work before it sleeps; libgomp's own number where threads outnumber cores.

Its default of 300,000 keeps a thread on its core for as long as another process needs it: each of the small products
of decoding then waits for a thread that waits for the scheduler. Measured with two threads beside ten busy processes on
two cores: a rollout of 64 x 32 tokens of an organism took 17.6 s, with this 0.2 s, and with one thread 0.8 s. What is
computed is the same.
"""


def limit_threads(threads: int) -> None:
    """Give this process, and those that it starts, so many threads for arithmetic."""
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)
    let_idle_threads_sleep()


def let_idle_threads_sleep() -> None:
    """Let idle threads of this process, and of those that it starts, sleep soon; a user's own setting stays."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)

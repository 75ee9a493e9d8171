"""How long the stages of a cell take."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rlvr_bench.cell.events import Event

Report = Callable[[Event], None]


@dataclass(slots=True)
class Clock:
    """Wall-clock seconds by stage; says where the cell is."""

    report: Report
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block as the stage of this name."""
        self.report(Event(name))
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

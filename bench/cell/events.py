"""What a running cell tells the process that started it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Event:
    """How far a cell is; `done` of `total` counts optimizer steps while it trains.

    Stages are those of `cell.run`: load, base, attach, train, evaluate, each measurement by its name, and record.
    """

    stage: str
    done: int = 0
    total: int = 0
    reward: float | None = None
    accuracy: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a cell; `message` is one sentence when it is not done."""

    cell_id: str
    method_name: str
    seed: int
    status: Literal["done", "failed", "collapsed", "invalid", "stopped"]
    message: str = ""

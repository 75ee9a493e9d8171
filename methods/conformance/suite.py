"""Running the checks on a method, over all architectures and dtypes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from rlvr_bench.methods.base.method import Method
from rlvr_bench.methods.conformance.case import KINDS, Case, Kind
from rlvr_bench.methods.conformance.checks import ATTACHING, CHECKS, Skipped
from rlvr_bench.methods.conformance.trial import Trial, run
from rlvr_bench.methods.errors import MethodError

TRAINS = "attaches and trains"


@dataclass(frozen=True)
class Outcome:
    """What one check found.

    `detail` names the model, the tensor and the number of a failure, says why a check was skipped, or of a method that
    trains which model it refuses.
    """

    check: str
    status: Literal["ok", "failed", "skipped"]
    detail: str = ""


class Suite:
    """All checks of one method. A training run is shared by the checks that read it."""

    names: tuple[str, ...] = (TRAINS, *CHECKS)

    def __init__(self, method: Method, kinds: Sequence[Kind] = KINDS) -> None:
        self.method = method
        self._cases = [Case(method, architecture, dtype) for architecture, dtype in kinds]

    @cached_property
    def _trained(self) -> tuple[Outcome, list[Trial]]:
        """Whether it trains, and one trial for each model that it does not refuse: at least one must suit it."""
        trials: list[Trial] = []
        refused = ""
        for case in self._cases:
            try:
                trials.append(run(case))
            except MethodError as refusal:
                refused = refused or f"{case.label}: {refusal}"
            except Exception as error:  # noqa: BLE001 - a method that raises has failed, whatever it raises
                return Outcome(TRAINS, "failed", f"{case.label}: {_words(error)}"), []
        return Outcome(TRAINS, "ok" if trials else "failed", refused), trials

    def run(self, check: str) -> Outcome:
        """Run one of `names` on its models and return the first failure, if there is one."""
        trains, trials = self._trained
        if check == TRAINS:
            return trains
        if not trials:
            return Outcome(check, "skipped", "it does not train")
        skipped = ""
        for trial in trials[: 2 if check in ATTACHING else None]:
            try:
                problems = list(CHECKS[check](trial))
            except Skipped as reason:
                skipped = str(reason)
                continue
            except Exception as error:  # noqa: BLE001 - as above
                problems = [_words(error)]
            if problems:
                more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
                return Outcome(check, "failed", f"{trial.case.label}: {problems[0]}{more}")
        return Outcome(check, "skipped", skipped) if skipped else Outcome(check, "ok")

    def all(self) -> list[Outcome]:
        """Run every check."""
        return [self.run(name) for name in self.names]


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def timed(method: Method) -> tuple[list[Outcome], float]:
    """Run every check on `method` and return what they found, and the seconds that it took."""
    started = time.perf_counter()
    return Suite(method).all(), time.perf_counter() - started

"""Trials of one study for many workers: none is lost when a worker is killed, none is run twice.

A worker that takes a trial signs it with a lease and renews that while it works. Whoever asks for a trial first puts
the trials of dead workers back into the queue, under the same number; all asking is done in turns (see
`study_storage.turn`), so that no two workers do so at once. On several machines with one database the turn is each
machine's own: there a trial may be taken up twice in the instant in which two machines see it expire.
"""

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from optuna import Study, Trial
from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from rlvr_bench.record.schema import Cause
from rlvr_bench.sweep.study_storage import turn

LEASE_SECONDS = 120.0
RENEW_SECONDS = 20.0

LEASE, CAUSE, POINT = "lease", "cause", "point"
"""User attributes of a trial: who runs it, why it failed, its number among points that were drawn ahead."""

MAY_PASS, RETRY_OF = "may_pass", "retry_of"
"""User attributes of a trial: whether it failed by what another try may not meet, and whose second try it is."""

Asked = Trial | Literal["later", "never"]


class TrialQueue:
    """The trials of a study, as one worker sees them."""

    def __init__(
        self,
        study: Study,
        turn_file: Path,
        distributions: Mapping[str, BaseDistribution],
        trials: int,
        points: Sequence[Mapping[str, Any]] | None = None,
        sampler: Callable[[int], BaseSampler] | None = None,
    ) -> None:
        """Open the queue of a study of `trials` trials.

        Args:
            points: the settings of all trials, where they are drawn ahead.
            sampler: from the number of trials so far to what chooses the next, so that workers draw differently.
        """
        self._study, self._turn_file, self._distributions = study, turn_file, dict(distributions)
        self._trials, self._sampler = trials, sampler
        self._mine: dict[int, Trial] = {}
        self._renewed = 0.0
        with turn(turn_file):
            if points is not None:
                self._enqueue(points)
            self._retry()

    def ask(self) -> Asked:
        """Return the next trial; "later" while others run what may come back, "never" when all is done."""
        with turn(self._turn_file):
            self._take_back()  # first, so that a dead worker's trial is run before a new one is drawn
            trials = self._study.get_trials(deepcopy=False)
            states = [trial.state for trial in trials]
            if TrialState.WAITING not in states and self._sampler is not None and len(standing(trials)) < self._trials:
                self._study.enqueue_trial({})
            if (first := self._first_waiting()) is not None:
                if self._sampler is not None:
                    self._study.sampler = self._sampler(first.number)
                # Signed while it waits: whoever is killed from here on is known to be dead.
                self._study._storage.set_trial_user_attr(first._trial_id, LEASE, self._lease())
                trial = self._study.ask(self._distributions)
                self._sign(trial)  # another one, where another machine was faster
                self._mine[trial.number] = trial
                return trial
        # Nothing to take now. A trial at work may come back when its worker dies: whoever leaves now would miss it.
        others = sum(state == TrialState.RUNNING for state in states) - len(self._mine)
        return "later" if others > 0 or self._mine else "never"

    def renew(self) -> None:
        """Renew the leases of this worker's trials when it is time; to be called often."""
        if time.time() - self._renewed < RENEW_SECONDS:
            return
        for trial in self._mine.values():
            self._sign(trial)

    def complete(self, trial: Trial, values: Sequence[float]) -> None:
        """Record the values of a trial."""
        self._tell(trial, values=list(values))

    def prune(self, trial: Trial) -> None:
        """Record that a trial was stopped because others are better."""
        self._tell(trial, state=TrialState.PRUNED)

    def fail(self, trial: Trial, cause: Cause, *, may_pass: bool = False) -> None:
        """Record that a trial has no result, and why; the next command tries again what may pass."""
        with suppress(UpdateFinishedTrialError):
            trial.set_user_attr(MAY_PASS, may_pass)
            trial.set_user_attr(CAUSE, cause.model_dump(mode="json", exclude={"tail"}))
        self._tell(trial, state=TrialState.FAIL)

    def give_back(self) -> None:
        """Put this worker's trials back into the queue."""
        with turn(self._turn_file):
            for trial in self._mine.values():
                self._back(trial._trial_id)
        self._mine.clear()

    def _tell(self, trial: Trial, **outcome: Any) -> None:
        self._study.tell(trial, skip_if_finished=True, **outcome)
        self._mine.pop(trial.number, None)

    def _enqueue(self, points: Sequence[Mapping[str, Any]]) -> None:
        there = {trial.user_attrs.get(POINT) for trial in self._study.get_trials(deepcopy=False)}
        for number, point in enumerate(points):
            if number not in there:
                self._study.enqueue_trial(dict(point), user_attrs={POINT: number})

    def _retry(self) -> None:
        """Put the settings of trials whose cell was killed, or found the disk full, into the queue once more.

        Under a new number: Optuna keeps a finished trial as it is.
        """
        for trial in standing(self._study.get_trials(deepcopy=False)):
            if trial.state == TrialState.FAIL and trial.user_attrs.get(MAY_PASS):
                self._study.enqueue_trial(settings_of(trial), user_attrs={RETRY_OF: trial.number})

    def _first_waiting(self) -> FrozenTrial | None:
        """Return the trial that Optuna takes next."""
        return next(iter(self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,))), None)

    def _take_back(self) -> None:
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            begun = trial.datetime_start.timestamp() if trial.datetime_start is not None else 0.0
            if trial.number not in self._mine and is_stale(trial.user_attrs.get(LEASE), time.time(), begun):
                self._back(trial._trial_id)

    def _back(self, trial_id: int) -> None:
        with suppress(UpdateFinishedTrialError):
            self._study._storage.set_trial_state_values(trial_id, TrialState.WAITING)

    def _sign(self, trial: Trial) -> None:
        self._renewed = time.time()
        trial.set_user_attr(LEASE, self._lease())

    @staticmethod
    def _lease() -> dict[str, Any]:
        return {"place": place(), "process": os.getpid(), "until": time.time() + LEASE_SECONDS}


def standing(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials of a study without those that were tried again."""
    retried = {trial.user_attrs.get(RETRY_OF) for trial in trials}
    return [trial for trial in trials if trial.number not in retried]


def is_stale(lease: Mapping[str, Any] | None, now: float, begun: float) -> bool:
    """Whether the worker behind a lease is dead: its time is up, or its process, on this machine, is gone.

    A running trial without a lease was begun by another program; it has as long as a lease, from when it was `begun`.
    """
    if lease is None:
        return begun + LEASE_SECONDS < now
    if lease["until"] < now:
        return True
    return bool(lease["place"] == place()) and not _is_alive(int(lease["process"]))


def place() -> str:
    """Return where process numbers mean the same: this machine since its start, this container."""
    boot, namespace = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    started = boot.read_text().strip() if boot.exists() else ""
    inside = namespace.stat().st_ino if namespace.exists() else 0
    return f"{platform.node()}/{started[:8]}/{inside}"


def settings_of(trial: FrozenTrial) -> dict[str, Any]:
    """Return the settings of a trial, also of one that is still in the queue."""
    return dict(trial.params or trial.system_attrs.get("fixed_params", {}))


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

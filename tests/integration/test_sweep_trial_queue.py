"""Workers on one study in a real journal or database: killed ones lose nothing, nobody repeats anything."""

import fcntl
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from rlvr_bench.record.schema import Cause
from rlvr_bench.sweep.study_storage import JournalLock, open_storage
from rlvr_bench.sweep.trial_queue import LEASE, LEASE_SECONDS, TrialQueue, is_stale, place, standing

RATES = {"learning_rate": FloatDistribution(1e-4, 1e-2, log=True)}

WORKER = """
import sys, time
from pathlib import Path
import optuna
from optuna.distributions import FloatDistribution
from rlvr_bench.sweep.study_storage import open_storage
from rlvr_bench.sweep.trial_queue import TrialQueue, standing

optuna.logging.set_verbosity(optuna.logging.WARNING)
place, folder, trials, drawn = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "drawn"
storage, turn = open_storage(place, folder)
study = optuna.create_study(storage=storage, study_name="s", load_if_exists=True)
rates = {"learning_rate": FloatDistribution(1e-4, 1e-2, log=True)}
if drawn:
    queue = TrialQueue(study, turn, rates, trials, [{"learning_rate": 1e-4 * (n + 1)} for n in range(trials)])
else:
    sampler = lambda number: optuna.samplers.TPESampler(seed=number, n_startup_trials=4, constant_liar=True)
    queue = TrialQueue(study, turn, rates, trials, sampler=sampler)
while (trial := queue.ask()) != "never":
    if trial == "later":
        time.sleep(0.05)
        continue
    time.sleep(0.03)
    with open(folder / "told.txt", "a") as told:
        told.write(f"{trial.number} {trial.params['learning_rate']:.6g}\\n")
    queue.complete(trial, [trial.params["learning_rate"]])
"""


PLACES = {"journal": "{}/studies.journal", "database": "sqlite:///{}/studies.db"}


def _study(folder: Path, place: str) -> optuna.Study:
    storage, _ = open_storage(PLACES[place].format(folder), folder)
    return optuna.load_study(study_name="s", storage=storage)


def _start(folder: Path, place: str, trials: int, kind: str) -> "subprocess.Popen[bytes]":
    arguments = [PLACES[place].format(folder), str(folder), str(trials), kind]
    return subprocess.Popen([sys.executable, "-c", WORKER, *arguments], env=os.environ)


@pytest.mark.parametrize(
    ("where", "kind"), [("journal", "drawn"), ("journal", "adaptive"), ("database", "drawn"), ("database", "adaptive")]
)
def test_four_workers_of_which_two_are_killed_lose_and_repeat_nothing(tmp_path: Path, where: str, kind: str) -> None:
    trials, moments = 24, random.Random(1)
    workers = [_start(tmp_path, where, trials, kind) for _ in range(4)]
    end = time.monotonic() + 900
    while not (tmp_path / "told.txt").exists() and time.monotonic() < end:
        time.sleep(0.05)
    for worker in workers[:2]:
        time.sleep(moments.uniform(0.1, 0.3))
        worker.send_signal(signal.SIGKILL)
    assert [worker.wait(timeout=900) for worker in workers][2:] == [0, 0]
    found = _study(tmp_path, where).get_trials()
    assert [trial.state for trial in found] == [TrialState.COMPLETE] * trials
    assert sorted(trial.number for trial in found) == list(range(trials))
    rates = [trial.params["learning_rate"] for trial in found]
    assert len(set(rates)) == trials
    if kind == "drawn":
        assert rates == pytest.approx([1e-4 * (number + 1) for number in range(trials)])
    told = Counter(line.split()[0] for line in (tmp_path / "told.txt").read_text().splitlines())
    killed_between_result_and_tell = sum(count - 1 for count in told.values())
    assert len(told) == trials and killed_between_result_and_tell <= 2


def _queue(folder: Path, trials: int = 3) -> tuple[optuna.Study, TrialQueue]:
    storage, turn = open_storage(None, folder)
    study = optuna.create_study(storage=storage, study_name="s", load_if_exists=True)
    return study, TrialQueue(study, turn, RATES, trials, sampler=lambda number: optuna.samplers.RandomSampler(number))


def test_a_resumed_study_does_only_what_is_missing(tmp_path: Path) -> None:
    for trials, new in ((2, 2), (5, 3), (5, 0)):
        study, queue = _queue(tmp_path, trials)
        asked = 0
        while not isinstance(trial := queue.ask(), str):
            queue.complete(trial, [0.5])
            asked += 1
        assert (asked, len(study.trials)) == (new, trials)


def test_a_failed_trial_keeps_its_cause_and_is_not_run_again(tmp_path: Path) -> None:
    study, queue = _queue(tmp_path, 1)
    trial = queue.ask()
    assert not isinstance(trial, str)
    queue.fail(trial, Cause(type="OutOfMemoryError", message="no memory", fix="buy some", tail=["line"]))
    assert queue.ask() == "never"
    (failed,) = study.trials
    assert failed.state == TrialState.FAIL
    assert failed.user_attrs["cause"] == {"type": "OutOfMemoryError", "message": "no memory", "fix": "buy some"}


def test_what_may_pass_is_tried_again_by_the_next_command_and_once_a_command(tmp_path: Path) -> None:
    study, queue = _queue(tmp_path, 2)
    trial, other = queue.ask(), queue.ask()
    assert not isinstance(trial, str) and not isinstance(other, str)
    queue.fail(trial, Cause(type="SIGKILL", message="killed"), may_pass=True)
    queue.complete(other, [0.5])
    assert queue.ask() == "never"
    study, queue = _queue(tmp_path, 2)
    again = queue.ask()
    assert not isinstance(again, str) and again.params == trial.params and again.number == 2
    queue.complete(again, [0.5])
    study, queue = _queue(tmp_path, 2)
    assert queue.ask() == "never" and [one.number for one in standing(study.get_trials())] == [1, 2]


def test_a_trial_of_a_living_worker_is_left_alone_and_comes_back_when_given_back(tmp_path: Path) -> None:
    _, first = _queue(tmp_path, 1)
    trial = first.ask()
    assert not isinstance(trial, str)
    _, second = _queue(tmp_path, 1)
    assert second.ask() == "later"
    first.give_back()
    again = second.ask()
    assert not isinstance(again, str)
    assert (again.number, again.params) == (trial.number, trial.params)


DIED = 7


def _die_as_it_asks(folder: Path, before: bool) -> None:
    study, queue = _queue(folder, 1)
    ask = study.ask
    study.ask = lambda rates: (before or ask(rates), os._exit(DIED))
    queue.ask()


@pytest.mark.parametrize("before", [True, False])
def test_a_worker_that_dies_as_it_takes_a_trial_keeps_nobody_waiting(tmp_path: Path, before: bool) -> None:
    worker = multiprocessing.get_context("spawn").Process(target=_die_as_it_asks, args=(tmp_path, before), daemon=True)
    worker.start()
    worker.join(900)
    assert worker.exitcode == DIED
    study, queue = _queue(tmp_path, 1)
    trial = queue.ask()
    assert not isinstance(trial, str) and trial.number == 0
    queue.complete(trial, [0.5])
    assert queue.ask() == "never" and len(study.trials) == 1


def test_a_lease_ends_with_its_time_or_its_process() -> None:
    now = time.time()
    mine = {"place": place(), "process": os.getpid(), "until": now + LEASE_SECONDS}
    assert not is_stale(mine, now, now)
    assert is_stale(mine, now + LEASE_SECONDS + 1, now)
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    assert is_stale(mine | {"process": int(gone.stdout)}, now, now)
    assert not is_stale(mine | {"process": int(gone.stdout), "place": "elsewhere"}, now, now)
    assert not is_stale(None, now, now) and is_stale(None, now, now - LEASE_SECONDS - 1)


def test_an_unfinished_line_of_a_power_cut_costs_itself_only(tmp_path: Path) -> None:
    study, queue = _queue(tmp_path, 2)
    trial = queue.ask()
    assert not isinstance(trial, str)
    queue.complete(trial, [0.5])
    with (tmp_path / "studies.journal").open("a") as file:
        file.write('{"op_code":6,"wor')
    study, queue = _queue(tmp_path, 2)
    assert not isinstance(queue.ask(), str)
    assert [json.loads(line)["op_code"] for line in (tmp_path / "studies.journal").open()]
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, TrialState.RUNNING]
    assert LEASE in study.trials[1].user_attrs


def test_a_journal_that_cannot_be_opened_is_an_error_and_leaves_its_lock(tmp_path: Path) -> None:
    journal = tmp_path / "studies.journal"
    journal.mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        JournalLock(journal).acquire()
    with (tmp_path / ".studies.journal.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # free: whoever waits for it next, this process too, gets it

"""A results folder read while another process writes and packs it: what was there is there, whole, without a word."""

import multiprocessing
from pathlib import Path

from record_factory import record

from rlvr_bench.experiment.experiment import load
from rlvr_bench.experiment.grid import cells
from rlvr_bench.integrity.check import check
from rlvr_bench.leaderboard.file import contents
from rlvr_bench.leaderboard.standings import leaderboard
from rlvr_bench.plan.states import plan
from rlvr_bench.record import store
from rlvr_bench.record.pack import pack
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.report.material import gather
from rlvr_bench.report.page import render

STEPS = [StepRecord(step=number, reward=0.5) for number in range(1, 41)]
SEEDS, PACK_EVERY = 60, 3
BROKEN = ("cannot be read", "digest", "not valid JSON", "no record", "its steps give", "is not read back")


def _write(results: Path) -> None:
    for seed in range(1, SEEDS):
        store.write_run(results, _record(seed), STEPS)
        if seed % PACK_EVERY == 0:
            pack(results)


def _record(seed: int) -> store.RunRecord:
    return record("lora", seed).model_copy(update={"stability": None})


def test_readers_never_see_less_than_before_nor_a_half_record(tmp_path: Path) -> None:
    store.write_run(tmp_path, _record(0), STEPS)
    planned, known = cells(load("quick"), fetch=False), set[str]()
    # a new process: a fork of this one could wait for ever for a lock that one of its threads holds
    writer = multiprocessing.get_context("spawn").Process(target=_write, args=(tmp_path,), daemon=True)
    writer.start()
    ended = False
    while not ended:
        ended = not writer.is_alive()  # then once more
        records, problems = store.load_all(tmp_path)
        assert problems == []
        seen = {found.cell_id for found in records}
        assert known <= seen
        known = seen
        reader = store.StepReader(tmp_path)
        assert all(len(reader.steps(found)) == len(STEPS) for found in records)
        contents([standing.row for standing in leaderboard(records)])
        plan(planned, records)
        render(gather(tmp_path))
        faults = [fault for fault in check(tmp_path).faults if any(word in fault for word in BROKEN)]
        assert all("leaderboard" in fault for fault in faults), faults
    assert writer.exitcode == 0 and len(known) == SEEDS

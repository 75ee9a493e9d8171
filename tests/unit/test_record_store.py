"""Files of records: whole or not at all, broken ones cost only themselves, one writer at a time."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from record_factory import record, without_digest

from rlvr_bench.record import atomic
from rlvr_bench.record.atomic import write_whole
from rlvr_bench.record.errors import RecordError, ResultsInUseError
from rlvr_bench.record.lock import results_lock
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.record.store import load_all, read_run, read_steps, write_run

STEPS = [StepRecord(step=number, reward=0.5) for number in (1, 2)]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    original = record("lora", 2)
    path = write_run(tmp_path, original, STEPS)
    assert path == tmp_path / "runs" / original.comparison / "lora" / f"seed-2-{original.cell_id}" / "run.json"
    assert without_digest(read_run(path)) == original
    assert read_steps(path.parent) == STEPS
    assert [entry.name for entry in path.parent.iterdir() if entry.name.startswith(".")] == []


def test_a_broken_record_costs_only_itself(tmp_path: Path) -> None:
    good = record("lora", 0)
    write_run(tmp_path, good, [])
    cut = write_run(tmp_path, record("lora", 1), [])
    cut.write_text(cut.read_text()[:100])
    newer = write_run(tmp_path, record("lora", 2), [])
    newer.write_text(newer.read_text().replace('"schema_version": 3', '"schema_version": 7'))
    edited = write_run(tmp_path, record("lora", 3), [])
    edited.write_text(edited.read_text().replace('"greedy": ', '"greedy": 0.99, "x": ', 1))
    records, problems = load_all(tmp_path)
    assert [without_digest(one) for one in records] == [good]
    assert [str(problem).split(": ")[0] for problem in problems] == [str(cut), str(newer), str(edited)]
    assert "not valid JSON" in str(problems[0]) and "run its cell again" in str(problems[0])
    assert "schema_version is 7" in str(problems[1])
    assert "does not follow from its outcomes" in str(problems[2]) or "x: Extra inputs" in str(problems[2])
    assert all("\n" not in str(problem) for problem in problems)


def test_a_record_in_the_wrong_folder_is_named(tmp_path: Path) -> None:
    path = write_run(tmp_path, record("lora", 0), [])
    path.parent.rename(path.parent.with_name("seed-9-000000"))
    records, (problem,) = load_all(tmp_path)
    assert records == [] and "belongs in" in str(problem)


def test_no_results_no_records(tmp_path: Path) -> None:
    assert load_all(tmp_path / "nothing") == ([], [])
    assert read_steps(tmp_path) == []


def test_a_broken_step_is_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "steps.jsonl").write_text('{"step":1}\n{"step":\n')
    with pytest.raises(RecordError, match=r"steps\.jsonl, line 2"):
        read_steps(tmp_path)


def test_a_full_disk_is_one_sentence_and_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.json"
    write_whole(path, "old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(RecordError, match=r"no space left on the disk while writing .*run\.json; free some space"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.json"]


WRITER = """
import sys, itertools
from pathlib import Path
from rlvr_bench.record.atomic import write_whole
for number in itertools.count():
    write_whole(Path(sys.argv[1]), str(number % 10) * 200_000)
"""


def test_a_killed_writer_leaves_the_old_content_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    for pause in (0.0, 0.003, 0.011):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)])
        while not path.exists() and writer.poll() is None:
            time.sleep(0.005)
        time.sleep(0.05 + pause)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        content = path.read_text()
        assert len(content) == 200_000 and len(set(content)) == 1
        path.unlink()


HOLDER = """
import sys, time
from pathlib import Path
from rlvr_bench.record.lock import results_lock
with results_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(3600)
"""


def test_a_second_process_is_told_who_holds_the_folder_and_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    leftover = tmp_path / "runs" / "c" / "m" / ".run.json.abc.tmp"
    leftover.parent.mkdir(parents=True)
    leftover.write_text("half")
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(ResultsInUseError, match=f"in use by process {holder.pid};"), results_lock(tmp_path):
            pytest.fail("two processes hold one folder")
    finally:
        holder.kill()
        holder.communicate()
    with results_lock(tmp_path):
        assert not leftover.exists()
    with results_lock(tmp_path):  # and it can be taken again after a regular end
        pass

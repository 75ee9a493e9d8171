"""Where a study is kept: a journal file that survives kill -9, or any database URL that Optuna takes."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError

from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.record.atomic import disk_errors

JOURNAL_FILE = "studies.journal"

SETTLE_SECONDS = 2.0


class JournalLock(JournalFileOpenLock):
    """The kernel's lock on a file beside the journal: it ends with its process, so nobody waits for the dead.

    Optuna's own locks are files that a killed process leaves behind, for half a minute of everybody's time. Whoever
    takes the lock also cuts off a line that a power cut left unfinished, which no reader of the journal gets past.
    """

    def __init__(self, journal: Path) -> None:
        super().__init__(str(journal))
        self._journal, self._file = journal, journal.with_name(f".{journal.name}.lock")
        self._descriptor = -1

    def acquire(self) -> bool:
        """Wait for the lock."""
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _cut_unfinished_line(self._journal)
        except BaseException:
            os.close(descriptor)  # else this process would wait for itself the next time
            raise
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Let the next one in."""
        os.close(self._descriptor)


def open_storage(storage: str | None, results: Path) -> tuple[BaseStorage, Path]:
    """Return the storage and the file that its workers on this machine take turns by.

    Args:
        storage: a database URL, or the path of a journal file; None is `studies.journal` in the results folder.

    Raises:
        ExperimentError: a database that cannot be opened.
        RecordError: a folder that cannot be written.
    """
    if storage is not None and "://" in storage:
        try:
            turn_file = _turn_file(storage, results)
            with turn(turn_file):
                return _database(storage), turn_file
        except (ImportError, SQLAlchemyError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ExperimentError(f"--storage {storage}: {reason}; give a URL as SQLAlchemy writes it") from error
    journal = Path(storage) if storage is not None else results / JOURNAL_FILE
    with disk_errors(journal):
        journal.parent.mkdir(parents=True, exist_ok=True)
        backend = JournalFileBackend(str(journal), lock_obj=JournalLock(journal))
    return JournalStorage(backend), journal.with_name(f".{journal.name}.turn")


def _turn_file(url: str, results: Path) -> Path:
    """Return the file of turns of a database: beside SQLite's file, which has no locks of rows to claim trials by."""
    parts = make_url(url)
    if parts.get_backend_name() == "sqlite" and parts.database:
        file = Path(parts.database)
        return file.with_name(f".{file.name}.turn")
    return results / ".sweep.turn"


def _database(url: str) -> RDBStorage:
    """Open a database; if it is new, Optuna makes its tables, which another machine may be doing at the same moment."""
    try:
        return RDBStorage(url)
    except (IntegrityError, OperationalError, ProgrammingError):
        time.sleep(SETTLE_SECONDS)
        return RDBStorage(url)


@contextmanager
def turn(file: Path) -> Iterator[None]:
    """Hold the one turn of all workers that share `file`; it ends with its process."""
    with disk_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _cut_unfinished_line(journal: Path) -> None:
    if not journal.exists() or not journal.stat().st_size:
        return
    with journal.open("rb+") as file:
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            content = journal.read_bytes()
            file.truncate(content.rfind(b"\n") + 1)

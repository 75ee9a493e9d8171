"""The committed results: every record can be read, and the leaderboard is what the records give."""

from pathlib import Path

from bench.record import store
from bench.record.leaderboard import leaderboard
from bench.record.leaderboard_file import LEADERBOARD_FILE, to_csv

RESULTS = Path(__file__).parents[2] / "results"


def test_the_committed_leaderboard_is_what_the_records_give() -> None:
    records, problems = store.load_all(RESULTS)
    assert problems == []
    written = (RESULTS / LEADERBOARD_FILE).read_text(encoding="utf-8")
    assert to_csv(standing.row for standing in leaderboard(records)) == written


def test_every_committed_run_has_the_steps_that_it_says() -> None:
    for record in store.load_all(RESULTS)[0]:
        steps = store.read_steps(store.folder_of(RESULTS, record))
        assert record.stability is not None
        assert len(steps) == record.stability.steps
        assert steps[-1].tokens == record.cost.tokens

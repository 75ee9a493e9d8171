"""Results of pure functions in the cache: found again for the same arguments and code, and never in the way."""

import json
import os
from pathlib import Path

import pytest

from rlvr_bench.record import memo


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path / "cache"))


def counted(results: list[object], arguments: tuple[bytes, ...] = (b"a", b"b"), kind: str = "sums") -> object:
    """Return what is remembered, computed as the number of the computation."""

    def compute() -> dict[str, int]:
        results.append(None)
        return {"n": len(results)}

    return memo.remembered(kind, arguments, compute)


def test_the_same_arguments_are_computed_once() -> None:
    results: list[object] = []
    assert [counted(results), counted(results)] == [{"n": 1}, {"n": 1}]


@pytest.mark.parametrize("other", [(b"a", b"c"), (b"ab",), (b"ab", b""), (b"a", b"b", b"")])
def test_other_arguments_are_computed_anew_however_they_join(other: tuple[bytes, ...]) -> None:
    results: list[object] = []
    counted(results)
    assert counted(results, other) == {"n": 2}
    assert counted(results, kind="others") == {"n": 3}


def test_other_code_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    results: list[object] = []
    counted(results)
    monkeypatch.setattr(memo, "code_digest", lambda: "of another version")
    assert counted(results) == {"n": 2}


def test_the_code_of_the_whole_package_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {path.name for path in memo._sources()}
    assert {"memo.py", "standings.py", "trainer.py"} <= names
    assert any(path.parent.name == "families" for path in memo._sources()), "tasks lie in a folder of their own"
    module = tmp_path / "module.py"
    module.write_text("x = 1")
    monkeypatch.setattr(memo, "_sources", lambda: [module])
    before = memo.code_digest.__wrapped__()
    module.write_text("x = 2")
    assert memo.code_digest.__wrapped__() != before


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_damaged_file_is_computed_and_written_again(content: bytes, tmp_path: Path) -> None:
    results: list[object] = []
    counted(results)
    (path,) = (tmp_path / "cache" / memo.FOLDER / "sums").glob("*.json")
    path.write_bytes(content)
    assert counted(results) == {"n": 2}
    assert json.loads(path.read_text()) == {"n": 2}


def test_a_cache_that_cannot_be_written_costs_time_alone(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file in the way")
    results: list[object] = []
    assert [counted(results), counted(results)] == [{"n": 1}, {"n": 2}]


def test_what_nobody_asked_for_is_forgotten(tmp_path: Path) -> None:
    results: list[object] = []
    counted(results)
    (path,) = (tmp_path / "cache" / memo.FOLDER / "sums").glob("*.json")
    os.utime(path, (0, 0))
    memo._forget_old.cache_clear()
    counted(results, (b"c",))
    assert not path.exists()

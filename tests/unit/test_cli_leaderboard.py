"""The table in a terminal, and the difference of two leaderboards."""

import io

from record_factory import outcomes, record

from rlvr_bench.cli.views.differences import show_differences
from rlvr_bench.cli.views.leaderboard import show
from rlvr_bench.leaderboard.differences import compare, standings_of
from rlvr_bench.leaderboard.standings import Standing, leaderboard


def board(share: float, *, methods: tuple[str, ...] = ("lora", "full"), offset: int = 0) -> list[Standing]:
    return leaderboard(
        record(method, seed, outcomes(share, seed=seed + offset + 10 * place))
        for place, method in enumerate(methods)
        for seed in range(5)
    )


def printed(standings: list[Standing]) -> str:
    file = io.StringIO()
    show([standing.row for standing in standings], file)
    return file.getvalue()


def test_without_a_terminal_the_table_is_plain_and_fits() -> None:
    text = printed(board(0.6))
    assert "\x1b" not in text and max(map(len, text.splitlines())) <= 120
    assert all(name in text for name in ("lora", "full", "base", "0.0 [0.0, 52.2]", "yes", "23.5", "0.001"))


def test_names_are_shown_as_text_and_reasons_are_named() -> None:
    text = printed(leaderboard([record("[red]x[blue]", 0), record("lora", 0, status="failed")]))
    assert "[red]x[blue]: unranked: 1 seed, 5 are needed" in text
    assert "3 of 3" not in text and "1 of 1 seeds failed" in text


def test_of_many_unranked_rows_the_most_accurate_are_shown() -> None:
    ranked = [record("full", seed, outcomes(0.1, seed=seed), base=outcomes(0.02)) for seed in range(5)]
    single = [record(f"single-{place:02d}", 0, outcomes(0.2 + 0.02 * place, seed=9)) for place in range(30)]
    text = printed(leaderboard([*ranked, *single]))
    assert [f"single-{place:02d}" in text for place in range(30)] == [False] * 10 + [True] * 20
    assert text.index("full") < text.index("single-29") < text.index("single-10")
    assert "10 rows more, none of them ranked, are in leaderboard-all.csv" in text
    assert "30 rows: unranked: 1 seed, 5 are needed" in text


def test_the_same_records_are_the_same() -> None:
    assert {item.verdict for item in compare(board(0.6), board(0.6))} == {"same"}


def test_noise_is_told_from_a_planted_difference() -> None:
    for strip in (list, lambda standings: standings_of(s.row for s in standings)):
        noise = compare(strip(board(0.6)), strip(board(0.6, offset=700)))
        assert {i.verdict for i in noise if i.method != "base"} == {"within noise"}
        planted = compare(strip(board(0.8)), strip(board(0.45, offset=500)))
        assert {i.verdict for i in planted if i.method != "base"} == {"beyond noise"}


def test_records_see_smaller_differences_than_two_tables() -> None:
    here, reference = board(0.60), board(0.66, offset=500)
    paired = compare(here, reference)
    tables = compare(standings_of(s.row for s in here), standings_of(s.row for s in reference))
    widths = [[i.estimate.high - i.estimate.low for i in found if i.estimate] for found in (paired, tables)]
    assert len(widths[0]) == 2 and all(p < t for p, t in zip(*widths, strict=True))


def test_rows_on_one_side_only_and_unscored_rows() -> None:
    here = leaderboard([record("new", 0), record("new", 1), record("bad", 0, status="failed")])
    reference = leaderboard([record("old", 0), record("old", 1), record("bad", 0), record("bad", 1)])
    verdicts = {item.method: item.verdict for item in compare(here, reference)}
    assert verdicts == {"new": "only here", "old": "only in the reference", "bad": "not scored", "base": "same"}


def test_differences_are_printed_with_a_summary() -> None:
    file = io.StringIO()
    show_differences(compare(board(0.8), board(0.45, offset=500)), file)
    assert "2 beyond noise, 1 same" in file.getvalue() and "\x1b" not in file.getvalue()
    empty = io.StringIO()
    show_differences([], empty)
    assert "nothing to compare" in empty.getvalue()


def test_of_a_difference_only_the_changes_can_be_shown() -> None:
    file = io.StringIO()
    here, reference = ([record("kept", 0), record("moved", 0, outcomes(share))] for share in (0.6, 0.3))
    show_differences(compare(leaderboard(here), leaderboard(reference)), file, only_changes=True)
    assert "moved" in file.getvalue() and not {"kept", "base"} & set(file.getvalue().split())
    assert "1 beyond noise, 2 same" in file.getvalue()
    same = io.StringIO()
    show_differences(compare(board(0.6), board(0.6)), same, only_changes=True)
    assert same.getvalue().split() == ["3", "same"]
    bad = leaderboard([record("bad", 0, status="failed"), record("bad", 1, status="failed")])
    (lost,) = [d for d in compare(bad, leaderboard([record("bad", 0), record("bad", 1)])) if d.method == "bad"]
    assert lost.verdict == "not scored" and lost.changed


def widest(text: str) -> int:
    return max(map(len, text.splitlines()))


def test_intervals_letters_and_reasons_are_whole_at_any_width() -> None:
    name = "a-method-with-a-rather-long-name@0.0003"
    standings = leaderboard([record(name, seed) for seed in range(5)] + [record("lone", 0)])
    shown = {}
    for width in (80, 120, 200):
        file = io.StringIO()
        show([standing.row for standing in standings], file, width)
        shown[width] = file.getvalue()
        row = next(s.row for s in standings if s.row["method"] == name)
        low, high = (f"{100 * float(str(row[end])):.1f}" for end in ("accuracy_sound_lo", "accuracy_sound_hi"))
        assert f"[{low}, {high}]" in shown[width] and "…" not in shown[width]
        assert "lone: unranked: 1 seed, 5 are needed" in shown[width] and widest(shown[width]) <= width
    assert "sd over seeds" in shown[200] and "sd over seeds" not in shown[80]


def test_a_control_has_its_column_and_its_remark() -> None:
    exact = [record("lora", seed, outcomes(0.5, seed=seed)) for seed in range(3)]
    control = [record("lora", seed, outcomes(0.5, seed=seed + 9), reward="random") for seed in range(3)]
    text = printed(leaderboard(exact + control))
    assert "over control" in text and 'not significantly different from control reward {"name":"random"}' in text


def test_a_row_in_another_tie_group_is_said() -> None:
    base = outcomes(0.1)

    def two(other: float) -> list[Standing]:
        full = [record("full", seed, outcomes(other, seed=seed + 50), base=base) for seed in range(5)]
        return leaderboard(full + [record("lora", seed, outcomes(0.7, seed=seed), base=base) for seed in range(5)])

    found = {item.method: item for item in compare(two(0.7), two(0.3))}
    assert found["full"].group_changed and not found["lora"].group_changed
    assert (found["full"].group_reference, found["full"].group_here) == ("b", "a")
    assert found["full"].test == "paired by problem"
    file = io.StringIO()
    show_differences(list(found.values()), file)
    assert "b -> a" in file.getvalue() and "in another tie group" in file.getvalue()

"""Text and tables on their way to a terminal, progress without one, and formats that programs read."""

import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr_bench.console import bars
from rlvr_bench.console.bars import Bars
from rlvr_bench.console.formats import as_csv, as_latex, as_markdown
from rlvr_bench.console.tables import print_table
from rlvr_bench.console.text import print_json, printable, say

WORD = re.compile(r"\S+")


def table(rows: list[dict[str, object]], columns: list[str], width: int) -> str:
    file = io.StringIO()
    print_table(rows, columns, file=file, width=width)
    return file.getvalue()


@given(st.text())
def test_nothing_printable_steers_a_terminal(text: str) -> None:
    shown = printable(text)
    assert not any((ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0 for c in shown)
    assert printable(shown) == shown
    shown.encode()


def test_what_is_harmless_stays() -> None:
    assert printable("Größe → 3\n½ of 日本") == "Größe → 3\n½ of 日本"
    assert printable("\x1b[31mred\x1b[0m\x07") == "[31mred[0m"


def test_tables_and_messages_lose_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    assert "\x1b" not in table([{"name": "\x1b[2Jevil", "note": "[bold]x[/bold]"}], ["name", "note"], 80)
    say("\x1b]0;title\x07done")
    assert capsys.readouterr().err == "]0;titledone\n"


def test_json_escapes_what_a_terminal_would_obey(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"text": "a\x1b\x9b\u202eb\ud800é"}
    print_json(value)
    shown = capsys.readouterr().out
    assert json.loads(shown) == value and "é" in shown and not {"\x1b", "\x9b", "\u202e"} & set(shown)


@pytest.mark.parametrize("width", [80, 120, 200])
def test_a_wide_table_fits_and_keeps_words_whole(width: int) -> None:
    columns = ["name", "accuracy", "description", *(f"number_{place}" for place in range(12))]
    rows: list[dict[str, object]] = [
        dict.fromkeys(columns, f"{place}.1234 [0.1, 0.2]")
        | {
            "name": f"a-rather-long-identifier-{place}",
            "description": "several words of prose that go on for longer than any line of a terminal would have room",
        }
        for place in range(3)
    ]
    shown = table(rows, columns, width)
    words = {word for row in rows for value in row.values() for word in WORD.findall(str(value))}
    header = {word for name in columns for word in name.split("_")}
    lines = shown.partition("no room for")[0].splitlines()
    assert max(map(len, shown.splitlines())) <= width
    assert {word for line in lines for word in WORD.findall(line)} <= words | header
    assert all(f"a-rather-long-identifier-{place}" in shown for place in range(3))
    assert "no room for: " in shown and shown.count("number 11") == 1


def test_a_name_wider_than_the_terminal_is_cut_visibly() -> None:
    shown = table([{"name": "x" * 100, "note": "n"}], ["name", "note"], 40)
    assert max(map(len, shown.splitlines())) <= 40 and "…" in shown


def test_without_a_terminal_there_is_a_line_at_most_every_30_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    file, now = io.StringIO(), [0.0]
    monkeypatch.setattr(bars.time, "monotonic", lambda: now[0])
    with Bars(file) as shown, shown.bar("training the probe") as report:
        for second in range(61):
            now[0] = float(second)
            report(f"epoch {second}", second / 60)
    assert file.getvalue().splitlines() == [
        "training the probe 50% epoch 30",
        "training the probe 100% epoch 60",
    ]


def test_formats_are_what_programs_read() -> None:
    rows = [{"name": "a|b_c", "share": 0.5, "none": None}, {"name": 'say "hi", <you> 5 %', "share": 1, "none": None}]
    columns = ["name", "share", "none"]
    assert list(csv.DictReader(io.StringIO(as_csv(rows, columns)))) == [
        {"name": "a|b_c", "share": "0.5", "none": ""},
        {"name": 'say "hi", <you> 5 %', "share": "1", "none": ""},
    ]
    assert as_markdown(rows, columns).splitlines()[2] == "| a\\|b_c | 0.5 |  |"
    latex = as_latex(rows, columns)
    assert r"\begin{tabular}{lrl}" in latex and r"a|b\_c & 0.5 &  \\" in latex and r"5 \%" in latex


def test_a_long_column_leaves_room_to_those_after_it() -> None:
    out = io.StringIO()
    print_table([{"one": "word " * 30, "two": "word " * 30, "three": "x"}], ["one", "two", "three"], file=out, width=80)
    first = out.getvalue().splitlines()[1]
    assert first.index("x") > 60 and 30 < first.index("word", len("word " * 7) + 2) < 45

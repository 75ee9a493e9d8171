import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr_bench.console.formats import as_csv, neutral, original


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "'=1"])
def test_a_text_that_a_spreadsheet_would_run_is_written_after_a_quote(text: str) -> None:
    written = next(csv.reader(io.StringIO(as_csv([{"name": text}], ["name"], header=False), newline="")))[0]
    assert written == f"'{text}" and original(written) == text


def test_a_carriage_return_breaks_no_line() -> None:
    assert as_csv([{"name": "\r=1"}], ["name"], header=False) == " =1\n"


def test_numbers_and_other_texts_are_written_as_they_are() -> None:
    row = {"a": -1.5, "b": "lora", "c": None, "d": "it's", "e": "'quoted'"}
    assert as_csv([row], list(row), header=False) == "-1.5,lora,,it's,'quoted'\n"


@given(st.text(alphabet="'=+-@\ta1"))
def test_reading_gives_the_text_back(text: str) -> None:
    assert original(neutral(text)) == text

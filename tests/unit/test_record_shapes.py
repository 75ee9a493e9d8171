"""Tables whose keys are written once: given back equal, and refused in a sentence where anything is missing or left."""

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr_bench.record import compact, shapes
from rlvr_bench.record.errors import RecordError

MASK = base64.b64encode(bytes(range(64))).decode("ascii")
HEX = "ab" * 32
"""A hash: base64 as it stands, which must come back as the text that it was."""

BYTES = st.binary(min_size=30, max_size=50).map(lambda content: base64.b64encode(content).decode())
LEAVES = st.one_of(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=6) | st.lists(st.integers(0, 3), max_size=3) | BYTES,
    st.sampled_from([HEX, MASK + "====", MASK[:-1] + "\n"]),
)
TABLES = st.dictionaries(
    st.text(max_size=4), st.recursive(LEAVES, lambda inner: st.dictionaries(st.text(max_size=4), inner, max_size=4))
)


@given(TABLES)
def test_a_table_is_given_back_as_it_was(table: dict[str, Any]) -> None:
    values, blob = shapes.taken_apart(table)
    shape = json.loads(json.dumps(shapes.shape_of(table), sort_keys=True))
    content = shapes.Blob(shapes.packed(blob))
    assert shapes.filled(shape, iter(values), content) == table and content.used_up


def _documents(cells: int = 3) -> list[dict[str, Any]]:
    return [
        {
            "cell_id": f"c{cell}",
            "measurements": {
                "geometry": {
                    "by_layer": {f"layer-{place}": {"spectral_shift": cell + place / 7} for place in range(9)}
                },
                "mask_sample": {"changed": {"q_proj": {"places": 512, "update": _mask(cell)}}, "of": HEX},
            },
        }
        for cell in range(cells)
    ]


def _mask(cell: int) -> str:
    return base64.b64encode(bytes(range(cell, 64 + cell))).decode("ascii")


def _read(path: Path, text: str) -> list[Any]:
    path.write_text(text, encoding="utf-8")
    return [each if isinstance(each, RecordError) else each.document for each in compact.read_lines(path)]


def test_keys_and_bytes_of_measurements_are_written_once_and_read_back(tmp_path: Path) -> None:
    text = compact.lines_of(_documents())
    assert _read(tmp_path / "a.jsonl", text) == _documents()
    assert text.count("spectral_shift") == 9 and _mask(0) not in text
    single = compact.lines_of(_documents(1))  # nobody to share keys with
    assert '"#"' not in single and _read(tmp_path / "a.jsonl", single) == _documents(1)


def _bomb() -> str:
    return base64.b64encode(zlib.compress(bytes(shapes.LARGEST_BLOB + 1))).decode()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda cell: cell["measurements"]["geometry"]["values"].pop(), "fewer values"),
        (lambda cell: cell["measurements"]["geometry"]["values"].append(1), "more values"),
        (lambda cell: cell.pop("bytes"), "fewer bytes"),
        (lambda cell: cell.update(bytes=shapes.packed(bytes(4096))), "more bytes"),
        (lambda cell: cell.update(bytes="!" + cell["bytes"][1:]), "cannot be read"),
        (lambda cell: cell.update(bytes=cell["bytes"][:20]), "cannot be read|cut off"),
        (lambda cell: cell.update(bytes=_bomb()), "are more than"),
        (lambda cell: cell["measurements"]["geometry"].update({"#": "0" * 12}), "which no line above holds"),
    ],
)
def test_a_damaged_cell_costs_only_itself(tmp_path: Path, change: Any, reason: str) -> None:
    lines = [json.loads(line) for line in compact.lines_of(_documents()).splitlines()]
    damaged = next(line for line in lines if line.get("cell_id") == "c1")
    change(damaged)
    read = _read(tmp_path / "a.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    assert [read[0], read[2]] == [_documents()[0], _documents()[2]]
    with pytest.raises(RecordError, match=reason):
        raise read[1]

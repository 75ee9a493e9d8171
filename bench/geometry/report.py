"""The report of `rlvr-bench geometry`: JSON, CSV, and the progress of making it."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rlvr_bench.console.formats import neutral
from rlvr_bench.console.progress import Watcher
from rlvr_bench.geometry.cost import WORTH_SAYING, full_flops, in_words, matrices_of, seconds
from rlvr_bench.geometry.errors import GeometryError
from rlvr_bench.geometry.measure import TensorRecord, cores, measure
from rlvr_bench.geometry.pairs import open_pairs
from rlvr_bench.geometry.settings import NULL_KINDS, GeometrySettings
from rlvr_bench.geometry.summary import by_kind, null_of, summarise


@dataclass(frozen=True)
class GeometryReport:
    """Everything that two checkpoints say about an update."""

    base: str
    tuned: str
    settings: GeometrySettings
    records: list[TensorRecord]

    @cached_property
    def document(self) -> dict[str, Any]:
        """The document of `--json`: matrices, summary, settings."""
        named = {"base": self.base, "tuned": self.tuned}
        return {
            "matrices": [matrix_row(record) for record in self.records if record.is_matrix],
            "summary": summarise(self.records) | {"by_type": by_kind(self.records)},
            "settings": named | self.settings.as_json(),
        }

    def as_csv(self) -> str:
        """Return a line per tensor: where it is, its figures, and their lifts above each kind of null."""
        compared = {row["name"]: row.get("null", {}) for row in self.document["matrices"]}
        rows = [_flat(record, compared.get(record.name, {})) for record in self.records]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: neutral(value) for name, value in row.items()} for row in rows)
        return text.getvalue()


def make_report(
    base: str, tuned: str, settings: GeometrySettings, watcher: Watcher, pictures: bool = False
) -> GeometryReport:
    """Compare two checkpoints, all matrices exactly; what it will take is said before it starts.

    Args:
        base, tuned: names as `open_pairs` takes them.
        settings: of the figures.
        watcher: is told what it will take, and how far it is.
        pictures: keep what pictures are drawn from.

    Raises:
        ModelError: they cannot be compared.
        GeometryError: they hold no matrix.
    """
    with watcher.bar("preparing") as progress:
        pairs = open_pairs(base, tuned, progress)
    matrices = matrices_of(pairs.shapes)
    expected = seconds(full_flops(matrices.values(), settings), cores())
    if expected >= WORTH_SAYING:
        watcher.say(f"geometry of {len(matrices)} matrices, exact: {in_words(expected)} with {cores()} threads")
    records = list[TensorRecord]()
    with watcher.bar("geometry") as progress:
        for record in measure(pairs.tensors, settings, cores(), pictures):
            records.append(record)
            progress(record.name, min(len(records) / len(pairs.shapes), 1.0))  # an adapter may add biases
    if not any(record.is_matrix for record in records):
        raise GeometryError(f"{base} holds no matrix: give a model with linear layers.")
    return GeometryReport(base, tuned, settings, records)


def matrix_row(record: TensorRecord) -> dict[str, Any]:
    """Return one entry of the document's `matrices`."""
    row = _place(record) | {"shape": list(record.shape), "k": record.k, "mask_rank": record.mask_rank}
    return row | record.figures | ({"null": null_of(record)} if record.null else {})


def _place(record: TensorRecord) -> dict[str, Any]:
    return {"name": record.name, "layer": record.layer, "type": record.kind}


def _flat(record: TensorRecord, null: dict[str, Any]) -> dict[str, Any]:
    sizes: Sequence[int | None] = (*record.shape, None, None)
    row = _place(record) | {"rows": sizes[0], "columns": sizes[1], "k": record.k, "mask_rank": record.mask_rank}
    row |= record.figures
    for kind in NULL_KINDS:
        row |= {f"{name}_over_{kind}": lift["lift"] for name, lift in null.get(kind, {}).items()}
    return {name: "" if value is None else value for name, value in row.items()}

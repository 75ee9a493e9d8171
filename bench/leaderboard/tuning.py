"""What a row of the leaderboard says of its tuning, and which rows may not be ranked because of it.

Where rows of a comparison were tuned by a protocol, rows that were not are shown unranked.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from rlvr_bench.record.schema import RunRecord

HASH_DIGITS = 6
"""Digits of a protocol's hash that a reader sees."""


def tuning_column(record: RunRecord) -> str | None:
    """Return the text of the column `tuning`, such as "8 trials, qmc, 3f2a1c"; None outside a protocol."""
    tuning = _tuning(record)
    if tuning is None:
        return None
    text = f"{tuning['trials']} trials, {tuning['sampler']}, {_short(tuning['protocol'])}"
    spread = "/".join(f"{rate:g}" for rate in spread_rates(record))
    return f"{text}, rates {spread}" if spread else text


def spread_rates(record: RunRecord) -> list[float]:
    """Return the rates that a protocol spread the final seeds of a record's row over, the winner's first, or none."""
    return list((_tuning(record) or {}).get("spread", ()))


def protocol_hash(record: RunRecord) -> str | None:
    """Return the hash of the protocol that found a record's settings; None outside of one."""
    tuning = _tuning(record)
    return None if tuning is None else str(tuning["protocol"])


def protocols_of(records: Iterable[RunRecord]) -> dict[str, str]:
    """Return by comparison the protocol that most of its tuned records come from; comparisons without are left out."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        if (protocol := protocol_hash(record)) is not None:
            counts[record.comparison][protocol] += 1
    return {name: min(count, key=lambda one: (-count[one], one)) for name, count in counts.items()}


def reasons_against(records: Iterable[RunRecord], protocol: str | None) -> list[str]:
    """Return why a row cannot be ranked in a comparison under `protocol`; nothing where there is none."""
    own = {protocol_hash(record) for record in records}
    if protocol is None or own == {protocol}:
        return []
    others = sorted(_short(name) for name in own if name is not None and name != protocol)
    if others:
        return [f"tuned by protocol {', '.join(others)}, the rest of its comparison by {_short(protocol)}"]
    return [f"outside protocol {_short(protocol)} of its comparison: its settings were not found by the same trials"]


def _tuning(record: RunRecord) -> dict[str, Any] | None:
    return record.cell.get("tuning")


def _short(protocol: str) -> str:
    return protocol[:HASH_DIGITS]

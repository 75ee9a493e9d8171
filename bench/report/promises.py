"""What `think` promised of stopping traces, and what became of it on problems that nothing was chosen or tested on."""

from collections.abc import Mapping, Sequence
from typing import Any

from rlvr_bench.stats.broken import broken_share

Document = dict[str, Any]

KEPT, BROKEN, OPEN = "kept", "broken", "not decided"


def promises(documents: Mapping[str, Document], trainings: Mapping[str, Document]) -> list[Document]:
    """Return a line for each kind of policy that a comparison promises, and one for a comparison without a promise.

    Of further trainings without a promise nothing is said: that of the first says it.

    `state` is by the interval of the loss on fresh problems: "kept" below what was promised, "broken" above it, "not
    decided" around it; `missing` says in words what is not there.

    Args:
        documents: comparisons of scorers by name.
        trainings: further trainings of these by name.
    """
    promised = {name: document for name, document in trainings.items() if document.get("promise")}
    return [line for name, document in {**documents, **promised}.items() for line in _lines(name, document)]


def _lines(name: str, document: Document) -> list[Document]:
    promise = document.get("promise")
    head = {"name": name, "base": document.get("base")}
    if not isinstance(promise, dict):
        return [head | {"missing": "no promise was asked for (think --train NAME --max-loss 0.02)"}]
    terms = head | {key: promise.get(key) for key in ("max_loss", "max_dropped", "confidence", "problems")}
    kinds = promise.get("kinds") or {}
    if not kinds:
        return [terms | {"missing": f"nothing could be promised on {promise.get('problems')} calibration problems"}]
    return [terms | _line(kind, found, promise) for kind, found in kinds.items()]


def _line(kind: str, found: Document, promise: Document) -> Document:
    line = {
        "kind": kind,
        "policy": found.get("policy"),
        "chosen": found.get("policy") == promise.get("policy"),
        "calibration": found.get("lost"),
    }
    fresh = found.get("test") or {}
    most, low, high = promise.get("max_loss"), fresh.get("lost_lo"), fresh.get("lost_hi")
    if most is None or low is None or high is None:
        return line | {"missing": "not tried on fresh problems"}
    # By the ends of the interval: a loss below what was promised may be luck.
    state = KEPT if high <= most else BROKEN if low > most else OPEN
    kept = {"fresh": fresh.get("problems"), "lost": fresh.get("lost"), "lost_lo": low, "lost_hi": high}
    return line | kept | {"dropped": fresh.get("dropped"), "tokens_share": fresh.get("tokens_share"), "state": state}


def broken_rate(lines: Sequence[Document]) -> Document | None:
    """Return the share of promises whose loss on fresh problems is above what was promised, with an exact interval.

    `promised` is the largest share that the promises allow, 1 - confidence; None where none was tried on fresh
    problems. Promises on the same problems are not independent: the interval is then too narrow.
    """
    tried = [line for line in lines if line.get("lost") is not None]
    if not tried:
        return None
    broken = sum(line["lost"] > line["max_loss"] for line in tried)
    share = broken_share(broken, len(tried))
    ends = {"share": share.mean, "low": share.low, "high": share.high}
    return {"broken": broken, "tried": len(tried), "promised": 1 - min(line["confidence"] for line in tried)} | ends

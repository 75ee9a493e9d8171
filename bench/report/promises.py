"""What `think` promised of stopping traces, and what became of it on problems that nothing was chosen or tested on."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from rlvr_bench.stats.broken import broken_share

Document = dict[str, Any]

KEPT, BROKEN, OPEN = "kept", "broken", "not decided"
_OF_TRAINING = re.compile(r"-training-\d+$")


class Fresh(BaseModel):
    """What a promised policy did on the test problems; fractions of 1, the loss with its interval."""

    problems: int
    lost: float
    lost_lo: float
    lost_hi: float
    dropped: float | None = None
    tokens_share: float | None = None


class Kind(BaseModel):
    """The cheapest promised policy of a kind, and what it lost on calibration problems."""

    policy: str
    lost: float
    test: Fresh | None = None


class Redrawn(BaseModel):
    """Draws of calibration problems: how many promised something, and how many broke it (`thinking.promise`)."""

    draws: int = Field(ge=1)
    problems: int
    pool: int
    promised: int = Field(ge=0)
    broken: int = Field(ge=0)
    tokens_share: float


class Promise(BaseModel):
    """`promise` of a comparison of scorers, as far as the page shows it."""

    max_loss: float
    max_dropped: float
    confidence: float
    problems: int
    policy: str
    kinds: dict[str, Kind] = {}
    redrawn: Redrawn | None = None


def promises(documents: Mapping[str, Document], trainings: Mapping[str, Document]) -> Document:
    """Return what the page says of promises.

    `lines` has one for each kind of policy that a comparison promises, and one with `missing` where nothing is promised
    or used; `shown` is what `think` would do by the first training of a study. `state` is by the interval of the loss
    on fresh problems: "kept" below what was promised, "broken" above it, "not decided" around it. `redrawn` has one for
    each study that drew calibration problems anew, its trainings together. `without` names the comparisons that were
    asked for no promise; `rate` is that of `broken_rate`.

    Args:
        documents: comparisons of scorers by name.
        trainings: further trainings of these by name.
    """
    asked: dict[str, Promise | None] = {
        name: _read(document["promise"])
        for name, document in {**documents, **trainings}.items()
        if document.get("promise") is not None
    }
    firsts = {_OF_TRAINING.sub("", name): name for name in reversed(asked)}.values()
    lines = [
        line | {"shown": name in firsts and line["shown"]}
        for name, promise in asked.items()
        for line in _lines(name, promise)
    ]
    return {
        "lines": lines,
        "redrawn": _redrawn(asked),
        "without": [name for name in documents if name not in asked],
        "rate": broken_rate(lines),
    }


def _read(promise: object) -> Promise | None:
    try:
        return Promise.model_validate(promise)
    except ValidationError:
        return None


def _lines(name: str, promise: Promise | None) -> Iterable[Document]:
    if promise is None:
        yield {"name": name, "shown": True, "missing": "what is promised cannot be read; make the comparison again"}
        return
    terms = {"name": name, "shown": True} | promise.model_dump(
        include={"max_loss", "max_dropped", "confidence", "problems"}
    )
    if not promise.kinds:
        yield terms | {"missing": f"nothing could be promised on {promise.problems} calibration problems"}
    elif promise.policy not in [kind.policy for kind in promise.kinds.values()]:
        yield terms | {"missing": "what can be promised saves no token, so all traces run"}
    for kind, found in promise.kinds.items():
        yield terms | {"kind": kind} | _line(found, promise)


def _line(found: Kind, promise: Promise) -> Document:
    line = {"policy": found.policy, "shown": found.policy == promise.policy, "calibration": found.lost}
    fresh = found.test
    if fresh is None:
        return line | {"missing": "not tried on fresh problems"}
    # By the ends of the interval: a loss below what was promised may be luck.
    state = KEPT if fresh.lost_hi <= promise.max_loss else BROKEN if fresh.lost_lo > promise.max_loss else OPEN
    return line | fresh.model_dump(exclude={"problems"}) | {"fresh": fresh.problems, "state": state}


def _redrawn(asked: Mapping[str, Promise | None]) -> list[Document]:
    """Draws of the trainings of a study with the same terms, counted together, with an exact interval."""
    groups: dict[tuple[Any, ...], list[Redrawn]] = {}
    for name, promise in asked.items():
        if promise is not None and (drawn := promise.redrawn) is not None:
            study = _OF_TRAINING.sub("", name)
            terms = (promise.max_loss, promise.max_dropped, promise.confidence, drawn.problems, drawn.pool)
            groups.setdefault((study, *terms), []).append(drawn)
    return [
        {
            "name": study,
            "trainings": len(group),
            "max_loss": max_loss,
            "most": 1 - confidence,
            "problems": problems,
            "pool": pool,
            "draws": (draws := sum(drawn.draws for drawn in group)),
            "promised": sum(drawn.promised for drawn in group) / draws,
            "broken": asdict(broken_share(min(draws, sum(drawn.broken for drawn in group)), draws)),
            "tokens_share": sum(drawn.tokens_share for drawn in group) / len(group),
        }
        for (study, max_loss, _, confidence, problems, pool), group in groups.items()
    ]


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

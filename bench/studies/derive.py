"""From claims and evidence to verdicts: one entry per claim and base model that has the records.

Each entry rests on runs of one result schema, which it names.
"""

from collections.abc import Sequence
from math import isinf
from pathlib import Path
from typing import Any

from rlvr_bench.leaderboard.over_bases import OVER_BASES_FILE, OverBases, over_bases, to_csv
from rlvr_bench.record import store
from rlvr_bench.record.atomic import write_whole
from rlvr_bench.record.documents import parse_json, read_regular
from rlvr_bench.record.numbers import strict_json
from rlvr_bench.stats.false_discovery import adjusted
from rlvr_bench.studies.analyses import analysis_of
from rlvr_bench.studies.claim import Claim, load_claims
from rlvr_bench.studies.clipped import refuse_unclipped
from rlvr_bench.studies.errors import FindingsError, NoEvidence
from rlvr_bench.studies.evidence import Evidence, evidence_of
from rlvr_bench.studies.finding import Finding, Settings
from rlvr_bench.studies.page import as_markdown

FINDINGS_FILE = "findings.json"
PAGE_FILE = "findings.md"
DIGITS = 6
CLAIM_KEYS = {"id", "claim", "source", "published", "test", "side", "threshold", "margin", "topic"}
"""What an entry repeats of its claim."""

JudgedClaim = dict[str, Any]


def derive(results: Path, claims: Path | None = None) -> list[JudgedClaim]:
    """Judge every claim on the records of a results folder; write findings.json, findings.md and over-bases.csv there.

    Raises:
        FindingsError: a claim or a record cannot be read.
        RecordError: a file cannot be written.
    """
    loaded = store.load_all(results)
    entries = judge_all(load_claims(claims), evidence_of(results, loaded))
    for name, content in contents(entries, over_bases(loaded[0])).items():
        write_whole(results / name, content)
    return entries


def verdicts(results: Path) -> list[JudgedClaim]:
    """Return the verdicts that were last derived in a results folder.

    Raises:
        FindingsError: there is no such file, or it holds something else.
        RecordError: it cannot be read.
    """
    path = results / FINDINGS_FILE
    if not path.exists():
        raise FindingsError(f"{results} holds no {FINDINGS_FILE}; rlvr-bench findings derives it")
    try:
        entries = parse_json(read_regular(path))
    except ValueError as error:
        raise FindingsError(f"{path} is no JSON ({error}); rlvr-bench findings derives it again") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise FindingsError(f"{path} is no list of verdicts; rlvr-bench findings derives it again")
    return entries


def contents(entries: list[JudgedClaim], orders: Sequence[OverBases] = ()) -> dict[str, str]:
    """Return the files that verdicts and the methods' ranks over bases are written to, by name."""
    verdicts = {FINDINGS_FILE: strict_json(entries, indent=1) + "\n", PAGE_FILE: as_markdown(entries, orders)}
    return verdicts | ({OVER_BASES_FILE: to_csv(orders)} if orders else {})


def judge_all(claims: Sequence[Claim], evidence: Sequence[Evidence]) -> list[JudgedClaim]:
    """Return the verdicts in the order of the claims; of one that no base has records for, a single entry.

    `q` of each is the p-value of the test behind its verdict, adjusted for all tests of all entries.
    """
    entries = [entry for claim in claims for entry in judge(claim, evidence)]
    tests = [(entry, test) for entry in entries for test in entry["p"]]
    adjusted_values = adjusted([entry["p"][test] for entry, test in tests])
    for (entry, test), value in zip(tests, adjusted_values, strict=True):
        if test == ("margin" if entry["verdict"] == "negligible" else "threshold"):
            entry["q"] = _rounded(value)
    return entries


def judge(claim: Claim, evidence: Sequence[Evidence]) -> list[JudgedClaim]:
    """Judge one claim on each base. A base that it names is in the result even without records."""
    analysis = analysis_of(claim)
    verdicts: list[JudgedClaim] = []
    missing: dict[str, str] = {}
    for base in dict.fromkeys(each.base for each in evidence):
        if claim.bases and base not in claim.bases:
            continue
        found: list[tuple[int, Finding]] = []
        for each in evidence:
            if each.base == base:
                try:
                    refuse_unclipped(claim, each)
                    found.append((each.schema, analysis(each, **claim.asked)))
                except NoEvidence as reason:
                    missing[base] = str(reason)
        if found:
            verdicts.append(_judged(claim, base, *_of_one_schema(claim, found)))
    lacking = [base for base in claim.bases if base not in {entry["base"] for entry in verdicts}]
    verdicts += [_undecided(claim, base, missing.get(base, "no records")) for base in lacking]
    return verdicts or [_undecided(claim, None, _summary(missing))]


def _of_one_schema(claim: Claim, found: Sequence[tuple[int, Finding]]) -> tuple[int, Finding]:
    """Return what was found under one result schema, from findings of the newest first.

    It is the newest in which each side has the claim's least number of seeds, in no fewer runs than an older one that
    has them: half of a study that is run again decides nothing. Where none has, it is the one with the most seeds.
    """
    whole = [(schema, finding) for schema, finding in found if min(finding.sides, default=claim.seeds) >= claim.seeds]
    most = max((len(finding.cells) for _, finding in whole), default=0)
    for schema, finding in whole:
        if len(finding.cells) == most:
            return schema, finding
    return max(found, key=lambda pair: (min(pair[1].sides, default=0), pair[0]))


def _judged(claim: Claim, base: str, schema: int, finding: Finding) -> JudgedClaim:
    verdict = finding.judgement(claim.side, claim.threshold, claim.margin)
    reasons = [finding.note]
    if finding.low is None or finding.high is None:
        reasons.append("too few seeds for an interval")
    elif verdict == "undecided":
        reasons.append("the interval holds the threshold")
    settings = finding.settings
    return (
        _entry(claim, base)
        | {name: _rounded(getattr(finding, name)) for name in ("estimate", "low", "high")}
        | {
            "verdict": verdict,
            "p": {test: _rounded(value) for test, value in finding.p_values(claim.threshold, claim.margin).items()},
            "q": None,
            "reason": "; ".join(filter(None, reasons)),
            "result_schema": schema if finding.cells else None,
            "seeds": list(finding.seeds),
            "sides": list(finding.sides),
            "errors": None if finding.errors is None else {k: _rounded(v) for k, v in finding.errors._asdict().items()},
            "settings": None if settings is None else _described(settings),
            "cells": list(finding.cells),
        }
    )


def _described(settings: Settings) -> dict[str, float | int | None]:
    """Return how an estimate differs between the settings that it averages over."""
    ends = {name: _rounded(getattr(settings, name)) for name in ("low", "high", "i_squared")}
    return {"count": settings.count} | ends


def _undecided(claim: Claim, base: str | None, reason: str) -> JudgedClaim:
    nothing = dict.fromkeys(("estimate", "low", "high"))
    verdict: JudgedClaim = {"verdict": "undecided", "p": {}, "q": None, "reason": reason, "result_schema": None}
    runs: JudgedClaim = {"seeds": [], "sides": [], "errors": None, "settings": None, "cells": []}
    return _entry(claim, base) | nothing | verdict | runs


def _entry(claim: Claim, base: str | None) -> JudgedClaim:
    return claim.model_dump(mode="json", include=CLAIM_KEYS) | {"base": base}


def _rounded(value: float | None) -> float | None:
    return None if value is None or isinf(value) else float(f"{value:.{DIGITS}g}")


def _summary(missing: dict[str, str]) -> str:
    """Return why no base has the records: once, where it is the same for all."""
    if not missing:
        return "no records"
    if len(set(missing.values())) == 1:
        return next(iter(missing.values()))
    return "; ".join(f"{base}: {reason}" for base, reason in sorted(missing.items()))

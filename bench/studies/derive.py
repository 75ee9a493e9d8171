"""From claims and evidence to verdicts: one entry per claim and base model that has the records."""

from collections.abc import Sequence
from math import isinf
from pathlib import Path
from typing import Any

from rlvr_bench.record.atomic import write_whole
from rlvr_bench.record.numbers import strict_json
from rlvr_bench.studies.analyses import analysis_of
from rlvr_bench.studies.claim import Claim, load_claims
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import Evidence, gather
from rlvr_bench.studies.finding import Finding
from rlvr_bench.studies.page import as_markdown

FINDINGS_FILE = "findings.json"
PAGE_FILE = "findings.md"
DIGITS = 6
CLAIM_KEYS = {"id", "claim", "source", "published", "test", "side", "threshold", "topic"}
"""What an entry repeats of its claim."""

JudgedClaim = dict[str, Any]


def derive(results: Path, claims: Path | None = None) -> list[JudgedClaim]:
    """Judge every claim on the records of a results folder, and write findings.json and findings.md there.

    Raises:
        FindingsError: a claim or a record cannot be read.
        RecordError: a file cannot be written.
    """
    entries = judge_all(load_claims(claims), gather(results))
    for name, content in contents(entries).items():
        write_whole(results / name, content)
    return entries


def contents(entries: list[JudgedClaim]) -> dict[str, str]:
    """Return the files that verdicts are written to, by name."""
    return {FINDINGS_FILE: strict_json(entries, indent=1) + "\n", PAGE_FILE: as_markdown(entries)}


def judge_all(claims: Sequence[Claim], evidence: Sequence[Evidence]) -> list[JudgedClaim]:
    """Return the verdicts in the order of the claims; of one that no base has records for, a single entry."""
    return [entry for claim in claims for entry in judge(claim, evidence)]


def judge(claim: Claim, evidence: Sequence[Evidence]) -> list[JudgedClaim]:
    """Judge one claim on each base. A base that it names is in the result even without records."""
    analysis = analysis_of(claim)
    verdicts: list[JudgedClaim] = []
    missing: dict[str, str] = {}
    for each in evidence:
        if claim.bases and each.base not in claim.bases:
            continue
        try:
            verdicts.append(_judged(claim, each.base, analysis(each, **claim.arguments)))
        except NoEvidence as reason:
            missing[each.base] = str(reason)
    lacking = [base for base in claim.bases if base not in {entry["base"] for entry in verdicts}]
    verdicts += [_undecided(claim, base, missing.get(base, "no records")) for base in lacking]
    return verdicts or [_undecided(claim, None, _summary(missing))]


def _judged(claim: Claim, base: str, finding: Finding) -> JudgedClaim:
    verdict = finding.judgement(claim.side, claim.threshold)
    reason = finding.note
    if finding.low is None or finding.high is None:
        reason = "; ".join(filter(None, (reason, "too few seeds for an interval")))
    elif verdict == "undecided":
        reason = "; ".join(filter(None, (reason, "the interval holds the threshold")))
    numbers = {name: _rounded(getattr(finding, name)) for name in ("estimate", "low", "high")}
    return (
        _entry(claim, base)
        | numbers
        | {
            "verdict": verdict,
            "reason": reason,
            "seeds": list(finding.seeds),
            "cells": list(finding.cells),
        }
    )


def _undecided(claim: Claim, base: str | None, reason: str) -> JudgedClaim:
    nothing = dict.fromkeys(("estimate", "low", "high"))
    return _entry(claim, base) | nothing | {"verdict": "undecided", "reason": reason, "seeds": [], "cells": []}


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

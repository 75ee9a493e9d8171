"""From a subject to its findings, and the JSON document that holds them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rlvr_bench.audit.errors import LacksData
from rlvr_bench.audit.registry import RULES
from rlvr_bench.audit.rule import Answer, Rule, Verdict
from rlvr_bench.audit.subject import Subject
from rlvr_bench.console.text import printable
from rlvr_bench.record.numbers import finite_or_none

AUDIT_SCHEMA = 1
"""Version of the JSON document; it grows by one when a key changes its meaning or goes."""

LONGEST_EVIDENCE = 1_000
"""Characters of an evidence; names of tensors and files may be of any length."""

VERDICTS: tuple[Verdict, ...] = ("fault", "note", "cannot say", "ok")
"""In the order in which a reader wants them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule says."""

    name: str
    rule: Rule
    answer: Answer


@dataclass(frozen=True, slots=True)
class Audit:
    """All findings, in the order of the rules; `problems` are sentences on plug-ins that cannot be used."""

    subject: Subject
    findings: list[Finding]
    problems: list[str]

    def by_verdict(self) -> list[Finding]:
        """Return the findings, faults first."""
        return sorted(self.findings, key=lambda finding: VERDICTS.index(finding.answer.verdict))

    def counts(self) -> dict[Verdict, int]:
        """Return how many findings have each verdict."""
        counted = Counter(finding.answer.verdict for finding in self.findings)
        return {verdict: counted[verdict] for verdict in VERDICTS}

    @property
    def has_faults(self) -> bool:
        """Whether a rule found a fault."""
        return any(finding.answer.verdict == "fault" for finding in self.findings)

    def document(self) -> dict[str, Any]:
        """Return the JSON document."""
        subject = self.subject
        return {
            "audit_schema": AUDIT_SCHEMA,
            "base": _line(subject.base),
            "tuned": _line(subject.tuned),
            "claim": subject.claim,
            "log": _line(str(subject.history.path)) if subject.history else None,
            "completions": len(subject.completions),
            "verdicts": self.counts(),
            "findings": [_as_json(finding) for finding in self.findings],
            "problems": self.problems,
        }


def audit(subject: Subject, names: Sequence[str] | None = None) -> Audit:
    """Ask every rule, or those named; a plug-in that cannot be used costs only itself.

    Raises:
        ModelError, AuditError: tensors that do not belong together.
    """
    rules, problems = RULES.available()
    chosen = rules if names is None else {name: RULES.find(name) for name in names}
    return Audit(subject, [Finding(name, rule, _answer(rule, subject)) for name, rule in chosen.items()], problems)


def _answer(rule: Rule, subject: Subject) -> Answer:
    try:
        answer = rule.judge(subject)
    except LacksData as lack:
        answer = Answer("cannot say", f"lacks {lack}")
    numbers = {name: _line(value) if isinstance(value, str) else value for name, value in answer.numbers.items()}
    return replace(answer, evidence=_line(answer.evidence), numbers=numbers)


def _line(text: str) -> str:
    """Return a text of strangers' names as one line that a terminal does not obey and that a page has room for."""
    line = " ".join(printable(text).split())
    return line if len(line) <= LONGEST_EVIDENCE else line[: LONGEST_EVIDENCE - 1] + "…"


def _as_json(finding: Finding) -> dict[str, Any]:
    answer = finding.answer
    return {
        "rule": finding.name,
        "question": finding.rule.question,
        "verdict": answer.verdict,
        "evidence": answer.evidence,
        "numbers": finite_or_none(answer.numbers),
        "action": answer.action,
        "source": finding.rule.source,
    }

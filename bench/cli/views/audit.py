"""What `rlvr-bench audit` prints: a line of counts, and a table of what the rules say, faults first."""

from typing import IO

from rlvr_bench.audit.run import Audit
from rlvr_bench.console.tables import print_line, print_table
from rlvr_bench.console.text import console

COLUMNS = ("verdict", "rule", "evidence")


def show(audit: Audit, file: IO[str] | None = None) -> None:
    """Print an audit."""
    out = console(file)
    title = f"{audit.subject.base} → {audit.subject.tuned}"
    print_line(title, out, bold=len(title))
    print_line(", ".join(f"{verdict} {count}" for verdict, count in audit.counts().items()), out)
    rows = [
        {
            "verdict": finding.answer.verdict,
            "rule": finding.name,
            "evidence": finding.answer.evidence + (f"\n→ {finding.answer.action}" if finding.answer.action else ""),
        }
        for finding in audit.by_verdict()
    ]
    print_table(rows, COLUMNS, file=file)
    print_line("sources and numbers: --json FILE, --html FILE", out)

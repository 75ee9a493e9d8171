"""Gate III: what bf16 shows of the update, and what is lost when it is stored in bf16."""

from rlvr_bench.audit.rule import Answer, note, ok, rule
from rlvr_bench.audit.subject import Subject

MOST_LOST = 0.5
"""Share of the moved entries from which bf16 hides most of what was learned."""


@rule("what share of the weights changed, as bf16 shows them?", "Zhu et al. 2025, arXiv 2511.08567; arXiv 2505.11711")
def bf16_visible(subject: Subject) -> Answer:
    """Report the share of changed entries of the tensors that were trained; RLVR changes few of them in bf16."""
    trained = [change for change in subject.changes if change.moved]
    entries = sum(change.entries for change in trained)
    if not entries:
        return ok("no tensor moved", shown=0.0)
    shown, moved = (sum(getattr(change, key) for change in trained) / entries for key in ("shown", "moved"))
    return ok(
        f"{shown:.1%} of {entries:,} entries changed in bf16, {moved:.1%} in float32",
        shown=shown,
        moved=moved,
        entries=entries,
    )


@rule(
    "is the update lost when it is stored in bf16?", "PULSE, arXiv 2602.03839; Zhu et al. 2025, arXiv 2511.08567, 3.6"
)
def bf16_lost(subject: Subject) -> Answer:
    """Count moved entries that bf16 does not show: merged or served in bf16, they are the base's."""
    moved = sum(change.moved for change in subject.changes)
    lost = sum(change.moved - change.shown for change in subject.changes) / moved if moved else 0.0
    if lost > MOST_LOST:
        return note(
            f"{lost:.1%} of {moved:,} moved entries are the base's again in bf16",
            "score the model as it will be served; keep the adapter apart, or merge in float32",
            lost=lost,
            moved=moved,
        )
    return ok(f"{lost:.1%} of {moved:,} moved entries are lost in bf16", lost=lost, moved=moved)

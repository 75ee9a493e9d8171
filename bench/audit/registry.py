"""The rules by name, in the order of the page: those of this package, and those of the entry-point group.

A plug-in is a `Rule`, such as `rule(question, source)` makes of a function, under `rlvr_bench.audit_rules`.
"""

from pkgutil import resolve_name
from typing import Any

from rlvr_bench.audit.errors import AuditError
from rlvr_bench.audit.rule import Rule
from rlvr_bench.plugins.registry import Registry

GROUP = "rlvr_bench.audit_rules"

MODULES = {
    "adapter": ("adapter_rank", "adapter_modules", "adapter_scaling", "adapter_dtype"),
    "weights": (
        "weights_finite",
        "weights_moved",
        "claimed_method",
        "update_rank",
        "base_identity",
        "frozen_tensors",
        "tied_embedding",
        "merge_error",
    ),
    "precision": ("bf16_visible", "bf16_lost"),
    "gates": ("gate_spectrum", "gate_angles", "gate_placement"),
    "log": (
        "log_finite",
        "log_zero_signal",
        "log_entropy",
        "log_clip",
        "log_kl_start",
        "log_kl_estimator",
        "log_truncation",
        "log_mismatch",
        "log_collapse",
        "log_batch",
        "log_learning_rate",
        "log_grad_norm",
    ),
    "completions": (
        "completions_empty",
        "completions_truncated",
        "completions_repeats",
        "completions_answer",
        "completions_copies",
        "completions_distinct",
    ),
    "claims": ("claim_evidence", "claim_power"),
}
"""Module of `bench/audit/rules` -> its rules."""


def _refusal(item: Any) -> str | None:
    return None if isinstance(item, Rule) else f"is a {type(item).__name__}; offer a Rule"


RULES: Registry[Rule] = Registry(
    "audit rule",
    GROUP,
    {name: f"rlvr_bench.audit.rules.{module}:{name}" for module, names in MODULES.items() for name in names},
    AuditError,
    refusal=_refusal,
    load=resolve_name,
)


def rules_markdown() -> str:
    """Return a Markdown table of the rules of this package."""
    lines = ["| rule | question | source |", "| --- | --- | --- |"]
    for names in MODULES.values():
        lines += [f"| `{name}` | {RULES.find(name).question} | {RULES.find(name).source} |" for name in names]
    return "\n".join(lines) + "\n"

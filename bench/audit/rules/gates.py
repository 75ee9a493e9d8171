"""Gate II: where the update lies in the base's geometry, beside null updates of the same norm and the same entries.

These rules describe; an update that is as its nulls has nothing of the base's geometry in it, which is no fault.
"""

from typing import Any

from rlvr_bench.audit.gates import MATRICES, SIDE
from rlvr_bench.audit.rule import Answer, Numbers, note, ok, rule
from rlvr_bench.audit.subject import Subject

SAMPLE = f"{MATRICES} matrices at most, of {SIDE} rows and columns at most"

AS_RANDOM = "say no more of its geometry than that it is as a random update's"


@rule("do singular values shift less than under null updates?", "Zhu et al. 2025, arXiv 2511.08567, section 4.1")
def gate_spectrum(subject: Subject) -> Answer:
    """Compare the normalised spectral shift with isotropic and permuted updates."""
    return _against(subject, {"spectral_shift": "spectral shift"})


@rule(
    "do principal subspaces turn less than under nulls?", "Zhu et al. 2025, arXiv 2511.08567; PiSSA, arXiv 2404.02948"
)
def gate_angles(subject: Subject) -> Answer:
    """Compare the mean principal angle with isotropic and permuted updates."""
    return _against(subject, {"principal_angle_mean_deg": "mean principal angle, degrees,"})


@rule("does it avoid principal and prefer small weights?", "Zhu et al. 2025, arXiv 2511.08567, section 4.3")
def gate_placement(subject: Subject) -> Answer:
    """Compare the share of changed entries in the principal and the low-magnitude mask with null updates."""
    return _against(
        subject,
        {"principal_overlap": "share in the principal mask", "low_magnitude_overlap": "in the low-magnitude mask"},
    )


def _against(subject: Subject, figures: dict[str, str]) -> Answer:
    summary = subject.against_nulls
    numbers: Numbers = {"matrices": summary["matrices"]}
    parts, apart = [], False
    for name, label in figures.items():
        shown = summary["shown_in_bf16"].get(name)
        lifts = {kind: summary[kind].get(name, {}) for kind in ("isotropic", "permuted")}
        numbers |= {name: shown} | {f"{name}_over_{kind}": lift.get("lift") for kind, lift in lifts.items()}
        parts.append(
            f"{label} {_number(shown)}: " + " and ".join(f"{_lift(lift)} {kind}" for kind, lift in lifts.items())
        )
        apart = apart or any(_is_apart(lift) for lift in lifts.values())
    evidence = "; ".join(parts)
    return ok(evidence, **numbers) if apart else note(evidence, AS_RANDOM, **numbers)


def _is_apart(lift: dict[str, Any]) -> bool:
    """Whether the interval of the ratio leaves out 1."""
    low, high = lift.get("lift_lo"), lift.get("lift_hi")
    return low is not None and (low > 1 or (high is not None and high < 1))


def _lift(lift: dict[str, Any]) -> str:
    ratio, low, high = (lift.get(key) for key in ("lift", "lift_lo", "lift_hi"))
    return "undefined against" if ratio is None else f"{ratio:.2f} x [{_number(low)}, {_number(high)}]"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g}"

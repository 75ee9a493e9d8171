"""The cells that a preset of the accounts makes are those that its claims ask for: each gets an interval from them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from record_factory import record, score

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.experiment import Experiment, load
from rlvr_bench.experiment.grid import cells
from rlvr_bench.experiment.protocol import Tuning
from rlvr_bench.experiment.scored import score_tasks
from rlvr_bench.geometry.packed_sketches import pack_sketch
from rlvr_bench.record.schema import RunRecord, Stability, StepRecord
from rlvr_bench.studies.claim import Claim, load_claims
from rlvr_bench.studies.derive import judge
from rlvr_bench.studies.evidence import Evidence, EvidenceRun, base_label

CLAIMS = {claim.id: claim for claim in load_claims()}
DECIDES = {
    "clip-sides": "R2d R2e R2f R2g R2h R2i R2j R8b",
    "verifier-noise": "R30a R30b R30c R30d R30e R30f",
    "anchor": "W22a W22b W22c W22d W22e W22f W22g W23a W23b W23c W23d",
    "disjoint-masks": "W24 W24b",
    "offline-updates": "A10a A10b A10c A10d A10e A13a A13b A13c A13d A13e A13f W25 W25b",
    "es": "A11a A11b A11c A11d",
    "data-wall": "A14a A14b A14c A14d A14e",
    "sizes": "A15a A15b A15c A15d A15e",
    "sharpness": "W26a W26b W26c",
}
SIZES = {"organism-steps": 1, "./organism-steps-1m": 3, "./organism-steps-3m": 9, "./organism-steps-10m": 30}
Made = tuple[dict[str, Any], Cell]


def _digits(rng: np.random.Generator, share: float, count: int = 60) -> str:
    return "".join("1" if one < share else "0" for one in rng.random(count))


def _measured(rng: np.random.Generator, names: list[str]) -> dict[str, Any]:
    def size() -> float:
        return float(np.exp(0.3 * rng.normal()))

    kinds = {kind: {"mass_lift": size(), "energy_lift": size()} for kind in ("isotropic", "permuted")}
    memory = {role: {"60": {"exact": rng.random()}, "solution_perplexity": 1 + size()} for role in ("base", "tuned")}
    numbers = ("relative_norm", "principal_angle_max_deg", "sparsity_bf16", "stable_rank")
    return {
        "geometry": {name: size() for name in numbers},
        "trajectory": {"linearity_r2": rng.random()},
        "curvature": {"energy": size(), "null": kinds},
        "update_sketch": {"sketch": pack_sketch(rng.normal(size=64).astype(np.float32))},
        "changed_tokens": {name: size() for name in ("share", "first_five", "entropy_ratio")}
        | {"lift": {"entropy": size()}}
        | {"recovery": {"base": 0.2, "tuned": 0.6, "forks": 0.3 + 0.3 * rng.random(), "random": 0.3 * rng.random()}},
        "divergence": {name: {"kl": size(), "kl_forward": size()} for name in names},
        "train_memory": memory,
        "sharpness": {loss: {"eigenvalue": size()} for loss in ("gold", "own")},
        "prompt_range": {
            style: score(_digits(rng, share)).model_dump() for style, share in (("task", 0.3), ("bare", 0.35))
        },
    }


def _steps(rng: np.random.Generator, clipped: float) -> list[StepRecord]:
    """Steps in which accuracy rises at once to a level of the run's own."""
    rows = []
    for number in range(1, 101):
        shares = {"accuracy": min(0.99, 0.6 + 0.3 * rng.random()), "strategy/worked": rng.random()}
        fork = {"fork/log_odds": rng.normal(), "fork/variance": 0.2, "fork/log_odds_spread": 0.1}
        pushes = {f"fork/clip_drift_{name}": 0.01 * rng.normal() for name in ("low", "high", "expected")}
        clip = {"clip_ratio/region_mean": clipped, "strategy/direct": rng.random()}
        rows.append(StepRecord.model_validate({"step": number} | shares | fork | pushes | clip))
    return rows


def _run(place: int, made: Made, clipped: float) -> EvidenceRun:
    document, cell = made
    rng = np.random.default_rng(place)
    names = list(score_tasks(document))
    one = record(
        document["method_name"],
        document["seed"],
        _digits(rng, 0.6 + 0.2 * rng.random()),
        base=_digits(np.random.default_rng(10**6), 0.3),
        extra={name: _digits(rng, 0.5) for name in names[1:]},
    )
    counts = {"trainable_parameters": sum(document["method_name"].encode())}
    attested = counts | {"total_parameters": 1000 * SIZES.get(document["base"]["name"], 1)}
    held = one.model_dump() | {
        "cell": document,
        "cell_id": f"{place:012x}",
        "comparison": f"{cell.comparison}.{document['signal']['steps']}",
        "measurements": _measured(rng, names),
        "stability": Stability(steps=100, entropy_left=0.5 + rng.random()).model_dump(),
        "attestation": attested,
    }
    return EvidenceRun(RunRecord.model_validate(held), lambda: _steps(rng, clipped))


def _tuning(trials: int) -> dict[str, Any]:
    found = Tuning(
        protocol="0" * 12, trials=trials, space={}, cells=(("0" * 12,),), validation=(0.5,), ranking=(0,), tied=0
    )
    return found.model_dump(mode="json")


def _made(name: str) -> Iterator[Made]:
    """Yield the cells of a preset at three seeds, with what its claims look for beside them."""
    experiment: Experiment = load(name)
    if name == "sizes":  # the larger organisms are not here, and their cells differ in the base alone
        rates = {"learning_rate": 1e-3}
        fixed = {
            method: {key: value for key, value in entry.items() if key != "search"} | rates
            for method, entry in experiment.methods.items()
        }
        experiment = experiment.model_copy(update={"bases": experiment.bases[:1], "protocol": None, "methods": fixed})
    for cell in cells(experiment, seeds=load(name).seeds[:3]):
        document = cell.model_dump(mode="json")
        place = sorted(experiment.methods).index(cell.method_name.partition("@")[0])
        if name == "sizes":
            for at, base in enumerate(load(name).bases):
                rate = 1e-3 * (1 + place) / (1 + at)
                yield document | {"base": {"name": base.name}, "tuning": _tuning(4), "learning_rate": rate}, cell
        else:
            yield document, cell
        if name == "sharpness":
            tuned = {"tuning": _tuning(8), "learning_rate": 1e-4 * (1 + place), "measurements": {}}
            yield document | tuned | {"signal": document["signal"] | {"steps": 80}}, cell


def _evidence(name: str, clipped: float = 0.01) -> list[Evidence]:
    runs = [_run(place, made, clipped) for place, made in enumerate(_made(name))]
    bases = dict.fromkeys(base_label(run.record.keys.base) for run in runs)
    alone = [Evidence(base, tuple(r for r in runs if base_label(r.record.keys.base) == base)) for base in bases]
    return [
        Evidence(each.base, each.runs, beside=tuple(other for other in alone if other is not each)) for each in alone
    ]


def _claims(name: str) -> list[Claim]:
    return [CLAIMS[claim] for claim in DECIDES[name].split()]


@pytest.mark.parametrize("name", DECIDES)
def test_every_claim_of_a_preset_is_judged_on_its_cells(name: str) -> None:
    evidence = _evidence(name)
    for claim in _claims(name):
        entries = judge(claim, evidence)
        assert {entry["base"] for entry in entries} >= set(claim.bases)
        silent = {f"{entry['base']}: {entry['reason']}" for entry in entries if entry["low"] is None}
        assert entries and not silent, f"{claim.id}: {silent}"


def test_claims_on_clipping_are_refused_where_no_run_of_the_preset_clipped_a_token() -> None:
    evidence = _evidence("clip-sides", clipped=0.0)
    for claim in _claims("clip-sides"):
        for entry in judge(claim, evidence):
            assert entry["verdict"] == "undecided" and entry["reason"].startswith("nothing was clipped"), claim.id


def test_the_larger_organisms_are_what_orders_are_predicted_on() -> None:
    judged = {claim.id: {entry["base"] for entry in judge(claim, _evidence("sizes"))} for claim in _claims("sizes")}
    larger = [*SIZES][1:]
    assert judged["A15a"] == judged["A15e"] == set(larger)
    assert (judged["A15b"], judged["A15c"], judged["A15d"]) == (set(larger[1:]), set(larger[2:]), set(SIZES))

"""What the weights say: is the change that of the claimed method, from the given base, and nothing else?"""

import math
from pathlib import Path

import torch
from safetensors import SafetensorError

from rlvr_bench.audit.changes import TensorChange, rounding_energy
from rlvr_bench.audit.errors import LacksData
from rlvr_bench.audit.rule import Answer, fault, note, ok, rule
from rlvr_bench.audit.subject import LOW_RANK, Subject
from rlvr_bench.geometry.checkpoints import EMBEDDING, OUTPUT, open_checkpoint
from rlvr_bench.models.errors import ModelError

FAR = 0.5
"""|dW| / |W| over all tensors from which TUNED is hardly a fine-tuned BASE; RLVR moves weights by 0.001 to 0.01."""

OF_THE_BASE = 0.1
"""|cosine| of an update with the base's own weights from which the adapter holds a part of the base."""

DRIFTED = 0.5
"""Share of the frozen tensors that moved from which it is another base and not a frozen tensor that was trained."""

STATED_BY_PEFT = {"dora": "use_dora", "rslora": "use_rslora"}


@rule("are all trained weights finite?", "Micikevicius et al. 2018, arXiv 1710.03740, section 3.2")
def weights_finite(subject: Subject) -> Answer:
    """Count NaN and infinite entries."""
    measured = subject.changes + (subject.checkpoint_changes if subject.adapter and subject.checkpoint else [])
    broken = [change for change in measured if change.non_finite]
    if broken:
        count = sum(change.non_finite for change in broken)
        return fault(
            f"{count} NaN or infinite entries in {len(broken)} tensors, the first {broken[0].name}",
            "use a checkpoint from before it diverged",
            entries=count,
            tensors=len(broken),
        )
    return ok(f"{len(measured)} tensors are finite", tensors=len(measured))


@rule("did training change anything?", "LoRA, arXiv 2106.09685, section 4.1: B starts at 0")
def weights_moved(subject: Subject) -> Answer:
    """Look for an update that is not 0."""
    moved = [change for change in subject.changes if change.moved]
    relative = _relative(subject.changes)
    if not moved:
        return fault(
            f"none of {len(subject.changes)} tensors differs from the base",
            "look at the learning rate and at the share of groups without signal",
            moved=0,
        )
    if subject.adapter is not None and len(moved) < len(subject.changes):
        still = next(change.name for change in subject.changes if not change.moved)
        return note(
            f"{len(subject.changes) - len(moved)} of {len(subject.changes)} adapted tensors did not move: {still}",
            "look for modules that got no gradient",
            moved=len(moved),
            tensors=len(subject.changes),
        )
    return ok(
        f"{len(moved)} of {len(subject.changes)} tensors moved, |dW|/|W| = {relative:.2g}",
        moved=len(moved),
        tensors=len(subject.changes),
        relative_norm=relative,
    )


@rule("is it the method that it claims?", "PEFT's LoraConfig; Mukherjee et al. 2025, arXiv 2505.11711")
def claimed_method(subject: Subject) -> Answer:
    """Compare the claim with the adapter's configuration, or with which tensors moved."""
    claim, adapter = subject.claim, subject.adapter
    if claim is None:
        raise LacksData("a claim (--claim)")
    if adapter is not None:
        return _claimed_adapter(subject, claim)
    matrices = [change for change in subject.changes if change.is_matrix]
    if claim == "mask":
        share = sum(change.moved for change in matrices) / max(sum(change.entries for change in matrices), 1)
        if share > 0.9:
            return fault(f"{share:.1%} of the entries of matrices moved", "name the mask's density", moved=share)
        return ok(f"{share:.1%} of the entries of matrices moved", moved=share)
    if claim == "full":
        moved = {change.kind for change in matrices if change.moved}
        still = sorted({change.kind for change in matrices} - moved)
        if still and moved:
            return fault(
                f"no {', '.join(still)} moved, while {', '.join(sorted(moved))} did",
                "say which tensors were trained; this is a part of the model",
                kinds_moved=len(moved),
                kinds_still=len(still),
            )
        return ok(f"all {len(moved)} kinds of matrices moved", kinds_moved=len(moved))
    raise LacksData("the adapter folder: a merged checkpoint does not say how its update was made (see update_rank)")


def _claimed_adapter(subject: Subject, claim: str) -> Answer:
    adapter = subject.peft
    numbers = {"peft_type": adapter.peft_type, "start": adapter.start}
    right = claim in LOW_RANK and adapter.peft_type == "LORA"
    if claim == "lora":  # rsLoRA has a rule of its own
        right = right and not adapter.is_residual and not adapter.config.get("use_dora")
    if claim in STATED_BY_PEFT:
        right = right and bool(adapter.config.get(STATED_BY_PEFT[claim]))
    if claim in ("pissa", "olora"):
        right = right and adapter.start.startswith(claim)
    shown = f"peft_type {adapter.peft_type}, init_lora_weights {adapter.start}"
    shown += ", use_dora" if adapter.config.get("use_dora") else ""
    if not right:
        return fault(f"{claim} is claimed; the configuration has {shown}", "name the method that was run", **numbers)
    return ok(f"{claim}: {shown}", **numbers)


@rule("is the update's rank within the claimed one?", "LoRA, arXiv 2106.09685; noise edge: Bai and Yin 1993")
def update_rank(subject: Subject) -> Answer:
    """Count singular values of every matrix's update above rounding, and compare with r."""
    if not subject.is_low_rank:
        raise LacksData("a claim of a low-rank method (--claim lora)")
    if subject.adapter is None and subject.rank is None:
        raise LacksData("the claimed rank (--rank)")
    _refuse_drifted(subject)
    measured = [change for change in _linear(subject, subject.changes) if change.moved]
    ranked = [change for change in measured if change.rank is not None]
    if not ranked:
        raise LacksData(
            f"an update above rounding: {len(measured)} matrices moved, all by about one unit in the last place"
        )
    higher = [change for change in ranked if (change.rank or 0) > _limit(subject, change)]
    largest = max(ranked, key=lambda change: change.rank or 0)
    numbers = {
        "matrices": len(ranked),
        "above": len(higher),
        "largest": largest.rank,
        "in_rounding": len(measured) - len(ranked),
    }
    if higher:
        first = max(higher, key=lambda change: change.rank or 0)
        return fault(
            f"{len(higher)} of {len(ranked)} updates have a higher rank: {first.name} {first.rank}, claimed"
            f" {_limit(subject, first)}",
            "the claimed method cannot make this update; look for full fine-tuning, or a base that is not BASE",
            **numbers,
        )
    return ok(f"{len(ranked)} updates, numerical rank at most {largest.rank}", **numbers)


def _limit(subject: Subject, change: TensorChange) -> int:
    """Return the rank that a tensor's update may have; of a residual start twice, since the start was taken out."""
    module = change.name.removesuffix(".weight")
    if subject.adapter is None or module not in subject.adapter.modules:
        return subject.rank or min(change.shape)
    rank = subject.adapter.stored_rank(module)
    if subject.adapter.config.get("use_dora"):  # a magnitude per row makes the update full
        return min(change.shape)
    return rank * (2 if subject.adapter.is_residual else 1)


@rule("is BASE the base that it was trained from?", "PiSSA, arXiv 2404.02948, section 3; PEFT's LoRA guide, PiSSA")
def base_identity(subject: Subject) -> Answer:
    """Look for a base that differs everywhere, one that the configuration names, and one that is in the adapter."""
    far = _relative(subject.changes)
    if not math.isfinite(far):
        raise LacksData("finite weights (see weights_finite)")
    # The adapter's own words come first: a named base that differs explains all that is measured below.
    if subject.adapter is not None:
        other = _other_base(subject)
        if other:
            return fault(
                f"the adapter names {subject.adapter.config['base_model_name_or_path']}, whose {other} differs from"
                " BASE",
                "audit, merge and score on the base that the adapter was trained on",
                relative_norm=far,
            )
        along = _along_base(subject)
        if along >= OF_THE_BASE and not subject.adapter.is_residual:
            return fault(
                f"the update points along the base's own weights (cosine {along:.2f}): it was trained on a residual"
                " base, as PiSSA makes one",
                "convert it (path_initial_model_for_weight_conversion), or give the residual base",
                cosine=along,
                relative_norm=far,
            )
    # What no method trains tells a wrong base from a large update: both move the weights far.
    frozen = _frozen(subject)
    share = _frozen_moved(subject)
    if share > DRIFTED or far > FAR:
        return fault(
            f"{share:.0%} of {len(frozen)} frozen tensors differ, |dW|/|W| = {far:.2g}",
            "give the base that training started from; with PiSSA and the like the residual base",
            frozen=len(frozen),
            frozen_moved=share,
            relative_norm=far,
        )
    named = subject.adapter.config.get("base_model_name_or_path") if subject.adapter else None
    if isinstance(named, str) and Path(named).name.lower() != Path(subject.base).name.lower():
        return note(
            f"the adapter names {named}, and BASE is {subject.base}",
            "make sure that they are the same weights: an instruct or a quantised variant is another base",
            relative_norm=far,
        )
    return ok(f"|dW|/|W| = {far:.2g}, {share:.0%} of {len(frozen)} frozen tensors differ", relative_norm=far)


def _other_base(subject: Subject) -> str | None:
    """Return the first tensor in which the base that the adapter names differs from BASE; it must be a folder here."""
    named = subject.peft.config.get("base_model_name_or_path")
    if (
        not isinstance(named, str)
        or not Path(named).is_dir()
        or Path(named).resolve() == subject.before.folder.resolve()
    ):
        return None
    try:
        other = open_checkpoint(Path(named))
        for name, shape in subject.before.shapes.items():
            if other.shapes.get(name) != shape or not torch.equal(
                other.read(name).float(), subject.before.read(name).float()
            ):
                return name
    except (ModelError, SafetensorError):  # a folder that cannot be read says nothing about BASE
        return None
    return None


def _along_base(subject: Subject) -> float:
    """Return the mean |cosine| between the base's matrices and their updates."""
    cosines = []
    for change in _linear(subject, subject.changes)[:8]:
        if change.moved and not change.non_finite:
            before, after = (tensor.double() for tensor in subject.pairs.read(change.name))
            cosines.append(abs(float((before * (after - before)).sum())) / (change.base_norm * change.norm))
    return sum(cosines) / len(cosines) if cosines else 0.0


@rule("did tensors move that the method freezes?", "LoRA, arXiv 2106.09685, section 4.1: W0 is frozen")
def frozen_tensors(subject: Subject) -> Answer:
    """Compare the tensors outside of the trained modules with the base."""
    if not subject.is_low_rank:
        raise LacksData("a claim of a method that freezes tensors (--claim lora)")
    if not subject.whole.shapes or not (frozen := _frozen(subject)):
        return ok("no tensor is frozen", frozen=0)
    _refuse_drifted(subject)
    moved = [change for change in frozen if change.moved]
    if moved:
        return fault(
            f"{len(moved)} of {len(frozen)} frozen tensors moved, the first {moved[0].name}",
            "say that they were trained, or train again with them frozen",
            frozen=len(frozen),
            moved=len(moved),
        )
    return ok(f"all {len(frozen)} frozen tensors are the base's", frozen=len(frozen))


@rule(
    "are tied embeddings still tied and still the base's?", "Press and Wolf 2017, arXiv 1608.05859; PEFT's LoRA guide"
)
def tied_embedding(subject: Subject) -> Answer:
    """Look at the embedding of a base whose output matrix is the same tensor."""
    name = next((each for each in subject.before.shapes if EMBEDDING.search(each)), None)
    if name is None or not subject.is_tied:
        return ok("the base's embeddings are not tied")
    after = subject.checkpoint
    if after is not None and OUTPUT in after.shapes and not torch.equal(after.read(OUTPUT), after.read(name)):
        return fault(
            f"{OUTPUT} differs from {name} in a model that ties them",
            "save the model with tie_word_embeddings as it was trained; loading drops one of the two",
        )
    # Full fine-tuning moves a tied embedding by right; a low-rank method that does moves the output matrix unasked.
    _refuse_drifted(subject)
    measured = subject.checkpoint_changes if after is not None else subject.changes
    moved = [change for change in measured if subject.is_embedding(change.name) and change.moved]
    trained = [each for each in (subject.adapter.whole if subject.adapter else []) if subject.is_embedding(each)]
    targeted = [
        each for each in (subject.adapter.modules if subject.adapter else {}) if subject.is_embedding(f"{each}.weight")
    ]
    if subject.is_low_rank and (moved or trained or targeted):
        first = moved[0].name if moved else (trained + targeted)[0]
        return fault(
            f"{first} moved, and the tied output matrix with it or away from it",
            "leave tied embeddings out of the trained modules, or untie them (ensure_weight_tying)",
            moved=len(moved),
        )
    return ok(f"{name} is tied" + ("" if moved else " and the base's"))


@rule("is the merged checkpoint base plus adapter?", "PEFT's merge_and_unload; LoRA, arXiv 2106.09685, section 4.1")
def merge_error(subject: Subject) -> Answer:
    """Compare merged - base with scale * B A, above the rounding of the stored dtype."""
    adapter, merged = subject.peft, subject.whole
    if not adapter.is_plain_lora:
        raise LacksData("plain LoRA factors, whose product is the update")
    error = rounding = update = along = 0.0
    for name in subject.pairs.names:
        before, wanted = subject.pairs.read(name)
        if name not in merged.shapes or merged.shapes[name] != before.shape:
            raise LacksData(f"{name} of the base's shape in {merged.folder}")
        after = merged.read(name)
        delta, seen = wanted.double() - before.double(), after.double() - before.double()
        error += float((seen - delta).square().sum())
        rounding += rounding_energy(after)
        update += float(delta.square().sum())
        along += float((seen * delta).sum())
    if not math.isfinite(error):
        raise LacksData("finite weights (see weights_finite)")
    if not update:
        raise LacksData("an update: the adapter is 0")
    relative, times = math.sqrt(error / update), along / update
    numbers = {"relative_error": relative, "rounding": math.sqrt(rounding / update), "scale_seen": times}
    if error > 4 * rounding + 1e-6 * update:
        return fault(
            f"merged - base differs from the adapter's update by {relative:.2g} times its norm (rounding"
            f" explains {numbers['rounding']:.2g}); the merged update is {times:.2f} times the adapter's",
            "merge again, once, with the adapter's own alpha / r and in float32",
            **numbers,
        )
    return ok(f"merged within rounding: {relative:.2g} of the update's norm, scale {times:.3f}", **numbers)


def _linear(subject: Subject, measured: list[TensorChange]) -> list[TensorChange]:
    return [change for change in measured if change.is_matrix and not subject.is_embedding(change.name)]


def _frozen(subject: Subject) -> list[TensorChange]:
    """Return the tensors that the claimed method freezes, as the whole checkpoint has them; tied embeddings apart."""
    if not subject.is_low_rank or subject.checkpoint is None:
        return []
    if subject.adapter is not None:
        trained = {f"{module}.weight" for module in subject.adapter.modules} | set(subject.adapter.whole)
    else:
        trained = {change.name for change in _linear(subject, subject.checkpoint_changes)}
    apart = subject.is_embedding if subject.is_tied else lambda name: False
    return [each for each in subject.checkpoint_changes if each.name not in trained and not apart(each.name)]


def _frozen_moved(subject: Subject) -> float:
    """Return the share of the frozen tensors that differ from the base; 0 where none is known."""
    frozen = _frozen(subject)
    return sum(change.moved > 0 for change in frozen) / len(frozen) if frozen else 0.0


def _refuse_drifted(subject: Subject) -> None:
    """Raise LacksData against another base, of which nothing else can be said."""
    if _frozen_moved(subject) > DRIFTED:
        raise LacksData("a base of which most frozen tensors are equal (see base_identity)")


def _relative(measured: list[TensorChange]) -> float:
    base = math.sqrt(sum(change.base_norm**2 for change in measured))
    return math.sqrt(sum(change.norm**2 for change in measured)) / base if base else 0.0

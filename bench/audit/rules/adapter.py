"""What an adapter folder says of itself, and whether its tensors agree."""

from collections import Counter

from rlvr_bench.audit.adapter import targets
from rlvr_bench.audit.errors import LacksData
from rlvr_bench.audit.rule import Answer, Numbers, fault, note, ok, rule
from rlvr_bench.audit.subject import Subject

LARGE_RANK = 64
"""From here alpha / r shrinks what an adapter learns so much that rsLoRA was proposed."""


@rule("do the stored factors have the configured rank?", "LoRA, arXiv 2106.09685, section 4.1; PEFT's LoraConfig")
def adapter_rank(subject: Subject) -> Answer:
    """Compare each module's factors with r and rank_pattern."""
    adapter = subject.peft
    if not adapter.modules:
        raise LacksData("low-rank factors: the adapter is of another kind")
    stored = {}
    for module in adapter.modules:
        if adapter.stored_rank(module) != adapter.rank(module):
            stored[module] = adapter.stored_rank(module)
    if stored:
        module, rank = next(iter(stored.items()))
        return fault(
            f"{len(stored)} of {len(adapter.modules)} modules, the first {module}: rank {rank} is stored and"
            f" {adapter.rank(module)} configured",
            "use the adapter_config.json that was written with these tensors; alpha / r is wrong otherwise",
            modules=len(adapter.modules),
            wrong=len(stored),
            stored_rank=rank,
            configured_rank=adapter.rank(module),
        )
    ranks = Counter(adapter.rank(module) for module in adapter.modules)
    shown = ", ".join(f"{rank} in {count}" for rank, count in ranks.items())
    return ok(f"rank {shown} modules", modules=len(adapter.modules))


@rule("does it cover the modules that it names, and no other?", "PEFT's LoraConfig, target_modules")
def adapter_modules(subject: Subject) -> Answer:
    """Compare the modules with factors with target_modules and with the base's tensors."""
    adapter = subject.peft
    if not adapter.modules:
        raise LacksData("low-rank factors: the adapter is of another kind")
    named = {module: targets(adapter.config, module) for module in adapter.modules}
    unknown = [module for module in named if f"{module}.weight" not in subject.before.shapes]
    others = [module for module, target in named.items() if target is False]
    wanted = adapter.config.get("target_modules")
    kinds = {module.rpartition(".")[2] for module in named}
    listed = [str(each) for each in wanted] if isinstance(wanted, list) else []
    absent = [each for each in listed if each.rpartition(".")[2] not in kinds]
    numbers = {"modules": len(named), "not_named": len(others), "not_in_base": len(unknown), "absent": len(absent)}
    for names, what in ((unknown, "are not in the base"), (others, "are not in target_modules")):
        if names:
            return fault(f"{len(names)} modules {what}, the first {names[0]}", "give the base and the configuration"
                         " that this adapter was trained with", **numbers)  # fmt: skip
    if absent:
        return fault(
            f"target_modules names {', '.join(absent)}, which the adapter has no factors of",
            "save the adapter again; PEFT would start these modules afresh without an error",
            **numbers,
        )
    shown = ", ".join(sorted(kinds))
    return ok(f"{len(named)} modules: {shown}", **numbers)


@rule("is the update scaled as the method says?", "rsLoRA, arXiv 2312.03732; LoRA, arXiv 2106.09685, section 4.1")
def adapter_scaling(subject: Subject) -> Answer:
    """Look at alpha / r, or of rsLoRA alpha / sqrt(r)."""
    adapter = subject.peft
    if not adapter.modules:
        raise LacksData("low-rank factors: the adapter is of another kind")
    scales = [adapter.scale(module) for module in adapter.modules]
    rank, stabilised = max(map(adapter.rank, adapter.modules)), bool(adapter.config.get("use_rslora"))
    numbers: Numbers = {"scale_min": min(scales), "scale_max": max(scales), "rank": rank, "rslora": str(stabilised)}
    formula = "alpha / sqrt(r)" if stabilised else "alpha / r"
    if min(scales) <= 0:
        return fault(f"{formula} is {min(scales):g}: the adapter does nothing", "set lora_alpha above 0", **numbers)
    if (subject.claim == "rslora") != stabilised and subject.claim in ("lora", "rslora"):
        return fault(
            f"{subject.claim} is claimed and use_rslora is {stabilised}", "name the method that was run", **numbers
        )
    if rank >= LARGE_RANK and not stabilised:
        return note(
            f"{formula} = {min(scales):g} at rank {rank}",
            "compare ranks at a learning rate tuned for each, or with use_rslora",
            **numbers,
        )
    return ok(
        f"{formula} = {min(scales):g}" + (f" to {max(scales):g}" if max(scales) != min(scales) else ""), **numbers
    )


@rule("is the adapter stored as it was trained?", "PEFT's guide on troubleshooting, dtype of the adapter weights")
def adapter_dtype(subject: Subject) -> Answer:
    """Name the dtypes of the stored factors; trained in 16 bits, small updates are lost."""
    dtypes = Counter(subject.peft.dtypes.values())
    shown = ", ".join(f"{count} {dtype}" for dtype, count in dtypes.items())
    if set(dtypes) <= {"F32", "F64"}:
        return ok(f"{shown} tensors", tensors=dtypes.total())
    return note(
        f"{shown} tensors",
        "say whether the adapter was trained in float32 (autocast_adapter_dtype) and only stored in fewer bits",
        tensors=dtypes.total(),
    )

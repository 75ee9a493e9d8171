"""What of other packages is used though they promise nothing of it: one row each, and what of it is no longer there.

A newer version that breaks a row is named by `broken` with the module of ours to mend. Rows are grouped by package.
"""

import inspect
import re
from importlib import import_module
from importlib.metadata import version
from typing import Any, Literal, NamedTuple

Kind = Literal["override", "member", "words"]
"""A method that we override, or call with arguments by position; something that is there; words of its source, which
are names of attributes that it sets on instances, or keys of what it hands on."""

GRPO = "trl.trainer.grpo_trainer:GRPOTrainer"


class PrivateUse(NamedTuple):
    """`needs`: of an override the parameters of theirs, in order, that ours takes; of words each of them."""

    package: str
    place: str
    kind: Kind
    needs: tuple[str, ...]
    used_in: str
    why: str


USES = (
    PrivateUse(
        "accelerate", "accelerate.state:AcceleratorState", "words", ("self.distributed_type", "self.fsdp_plugin"),
        "bench/train/sharded.py", "on a CPU it shards only when its state says so",
    ),
    PrivateUse(
        "transformers", "transformers:Trainer", "words", ("self.is_fsdp_enabled",), "bench/train/sharded.py",
        "which the trainer reads off that state before it is told",
    ),
    PrivateUse(
        "peft", "peft.tuners.tuners_utils:_check_lora_target_modules_mamba", "override",
        ("peft_config", "model", "target_name"), "methods/peft/handle.py",
        "what it refuses when it attaches is refused before the base is scored",
    ),
    PrivateUse(
        "trl", "trl:DPOTrainer._prepare_dataset", "override", ("self", "dataset"), "bench/train/dpo.py",
        "pairs are token ids already",
    ),
    PrivateUse(
        "trl", f"{GRPO}._tokenize_prompts", "override", ("self", "prompts"), "bench/train/trainer.py",
        "prompts are token ids already",
    ),
    PrivateUse(
        "trl", f"{GRPO}._generate_single_turn", "override",
        ("self", "prompt_ids", "images", "multimodal_fields", "num_generations", "has_tool_images"),
        "bench/train/trainer.py", "completions come from our backends, on merged weights",
    ),
    PrivateUse(
        "trl", f"{GRPO}._generate_and_score_completions", "override", ("self", "inputs"), "bench/train/trainer.py",
        "what was sampled is recorded and kept with the batch",
    ),
    PrivateUse(
        "trl", f"{GRPO}._compute_loss", "override", ("self", "model", "inputs"), "bench/train/trainer.py",
        "tokens are counted; bnpo is normalised over the whole update",
    ),
    PrivateUse(
        "trl", f"{GRPO}._get_per_token_logps_and_entropies", "override",
        ("self", "model", "input_ids", "attention_mask", "logits_to_keep"), "bench/train/trainer.py",
        "completions are scored without padding",
    ),
    PrivateUse(
        "trl", f"{GRPO}", "words", ("self._metrics", "self._step", "self._buffered_inputs", "self._tokenizer"),
        "bench/train/trainer.py", "its metrics are added to; the place in a batch decides what is recorded",
    ),
    PrivateUse(
        "trl", f"{GRPO}", "words", ("self.beta", "self.ref_model", "self.temperature", "self.eos_token_ids"),
        "bench/train/trainer.py", "the reference is the frozen base, set after construction",
    ),
    PrivateUse(
        "trl", f"{GRPO}", "words",
        ("prompt_ids", "prompt_mask", "completion_ids", "completion_mask", "advantages", "old_per_token_logps",
         "sampling_per_token_logps"),
        "bench/train/scorer.py, bench/train/trainer.py", "keys of its batches",
    ),
    PrivateUse(
        "trl", f"{GRPO}", "words", ("completions/clipped_ratio",), "bench/train/trainer.py",
        "a metric that a stop text makes wrong",
    ),
    PrivateUse(
        "trl", "trl.trainer.utils:disable_dropout_in_model", "member", (), "bench/train/shadowed.py",
        "dropout is off in every signal",
    ),
    PrivateUse(
        "peft", "peft.tuners._buffer_dict:BufferDict", "member", (), "methods/peft/handle.py",
        "tensors that PEFT keeps in a plain dict become buffers, which move and are hashed",
    ),
    PrivateUse(
        "peft", "peft.tuners.osf.layer:OSFLayer._detach_hooks", "override", ("self",), "methods/peft/subspace.py",
        "hooks are set on the parameters that are trained",
    ),
    PrivateUse(
        "peft", "peft.tuners.osf.layer:OSFLayer._attach_hooks", "override", ("self", "adapter_name"),
        "methods/peft/subspace.py", "hooks are set on the parameters that are trained",
    ),
    PrivateUse(
        "peft", "peft.tuners.boft.layer:_FBD_CUDA", "member", (), "methods/peft/butterfly.py",
        "BOFT's CUDA extension has a stand-in in torch",
    ),
    PrivateUse(
        "lm_eval", "lm_eval.tasks._yaml_loader:load_yaml", "override", ("path",),
        "bench/evaluate/lm_eval_tasks.py, tasks/lm_eval/adapter.py", "a task's file is read with its includes",
    ),
    PrivateUse(
        "lm_eval", "lm_eval.tasks._index:Kind", "member", (), "bench/evaluate/lm_eval_tasks.py",
        "a tag is told from a group and a task",
    ),
    PrivateUse(
        "transformers", "transformers:PreTrainedModel._supports_attention_backend", "member", (),
        "bench/train/packed.py, bench/generate/continuous.py", "who takes attention from the interface can be packed",
    ),
    PrivateUse(
        "transformers", "transformers:PreTrainedConfig", "words", ("self._attn_implementation",),
        "bench/train/packed.py, bench/thinking/probe.py", "attention is exchanged for the time of a forward pass",
    ),
    PrivateUse(
        "transformers", "transformers:PreTrainedModel._from_config", "override", ("cls", "config"),
        "bench/generate/vllm_weights.py", "the names of a model's own parameters, without an adapter",
    ),
    PrivateUse(
        "optuna", "optuna.trial:FrozenTrial", "words", ("_trial_id",), "bench/sweep/trial_queue.py",
        "a trial goes back into the queue by its id",
    ),
    PrivateUse(
        "optuna", "optuna.study:Study", "words", ("self._storage",), "bench/sweep/trial_queue.py",
        "a running trial is set to waiting",
    ),
    PrivateUse(
        "torch", "torch.nn:Module", "words",
        ("_parameters", "_buffers", "_modules", "_forward_hooks", "_forward_pre_hooks"),
        "methods/base/plain.py, methods/peft/handle.py, bench/generate/decoder_weights.py, "
        "bench/generate/sync_proof.py",
        "the tensors of one module, without its children's",
    ),
    PrivateUse(
        "torch", "torch:Tensor._indices", "member", (), "methods/base/peak_memory.py", "memory of a sparse tensor",
    ),
    PrivateUse(
        "torch", "torch.utils._python_dispatch:TorchDispatchMode", "member", (), "methods/base/peak_memory.py",
        "tensors are seen as they are made",
    ),
    PrivateUse(
        "torch", "torch.utils._pytree:tree_leaves", "member", (), "methods/base/peak_memory.py",
        "tensors are seen as they are made",
    ),
    PrivateUse(
        "torch", "torch:ops.mkldnn._linear_pointwise", "member", (), "bench/generate/matmul.py",
        "float32 products by oneDNN, where torch has it",
    ),
)  # fmt: skip


def broken(use: PrivateUse) -> str | None:
    """Return what of a row is not there in the installed version, as one sentence; None when all of it is."""
    where = f"{use.package} {version(use.package)}: {use.place}"
    mend = f"mend {use.used_in} ({use.why})"
    try:
        thing = _thing(use.place)
    except (ImportError, AttributeError):
        return f"{where} is gone; {mend}"
    if use.kind == "override":
        found = tuple(inspect.signature(thing).parameters)
        if found[: len(use.needs)] != use.needs:
            return f"{where} takes ({', '.join(found)}), no longer ({', '.join(use.needs)}); {mend}"
    if use.kind == "words" and (gone := [word for word in use.needs if not _has_word(thing, word)]):
        return f"{where} no longer has {', '.join(gone)}; {mend}"
    return None


def _thing(place: str) -> Any:
    """Return what is at "module:name.name"; raises ImportError or AttributeError where nothing is."""
    module, _, path = place.partition(":")
    thing: Any = import_module(module)
    for name in path.split("."):
        thing = inspect.getattr_static(thing, name) if inspect.isclass(thing) else getattr(thing, name)
        thing = thing.__func__ if isinstance(thing, classmethod | staticmethod) else thing
    return thing


def _has_word(thing: type, word: str) -> bool:
    """Return whether the source of a class or of its bases has a word."""
    whole = re.compile(rf"(?<![\w/]){re.escape(word)}(?![\w/])")
    return any(whole.search(inspect.getsource(kind)) for kind in thing.__mro__ if kind.__module__ != "builtins")

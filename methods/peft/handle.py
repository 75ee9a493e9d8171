"""Attaching PEFT adapters, and seeing the adapted model as a plain one.

Adapters are float32 whatever the base's dtype (autocast_adapter_dtype). Nothing is merged in place: `merged` builds
each merged matrix on a float32 copy of its layer.
"""

import copy
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from peft.tuners._buffer_dict import BufferDict
from peft.tuners.adaption_prompt.layer import AdaptedAttention
from peft.tuners.tuners_utils import BaseTuner, BaseTunerLayer, _check_lora_target_modules_mamba
from peft.utils.other import AuxiliaryTrainingWrapper
from peft.utils.peft_types import PeftType
from peft.utils.transformers_weight_conversion import convert_peft_config_for_transformers
from torch import Tensor, nn
from transformers import PreTrainedModel

from rlvr_bench.methods.base.digest import digests
from rlvr_bench.methods.base.handle import NO_WEIGHT_DECAY, Handle
from rlvr_bench.methods.base.method import Calibration, Method
from rlvr_bench.methods.base.plain import PlainView, as_it_is
from rlvr_bench.methods.base.seeding import forked_random_state
from rlvr_bench.methods.base.targets import linear_targets
from rlvr_bench.methods.errors import MethodError
from rlvr_bench.methods.peft.butterfly import stand_in_for_cuda
from rlvr_bench.methods.peft.calibration import after_adapters, before_adapters
from rlvr_bench.methods.peft.method import PeftMethod
from rlvr_bench.methods.peft.subspace import project_gradients

GAINS = re.compile(r"lora_magnitude_vector|ia3_l|road_alpha|boft_s|psoft_R\..*vector_[ab]")
"""Adapters that multiply weights or outputs: decay would pull them to zero, and the model away from the base."""


def attach_adapters(
    method: PeftMethod, model: PreTrainedModel, seed: int, calibration: Calibration | None = None
) -> "PeftHandle":
    """Wrap `model` in place with the adapters of `method`.

    Raises `MethodError` with PEFT's own reason when it refuses, and for a start that lacks its calibration prompts.
    """
    # PEFT skips a target that matches nothing as long as another one matches; here it is refused.
    if method.targets_are_linear:
        linear_targets(model, method.targets)
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    config = adapter_config(method, method.config_fields(shapes, seed))
    refuse_rewritten(method, model)

    # The plain view has to be taken before PEFT replaces modules, and the hashes before a start moves the base.
    view = PlainView(model)
    before = digests(view.tensors(model, as_it_is))
    with forked_random_state(seed):
        wrapped = _wrapped(method, model, config, calibration)
    if any(parameter.dtype != torch.float32 for parameter in wrapped.parameters() if parameter.requires_grad):
        wrapped.float()  # copies of base tensors are trained: as in full fine-tuning, layers refuse mixed dtypes
    project_gradients(wrapped)

    # Only the finished handle tells which modules are wrapped, and so whether a merge would untie a shared weight.
    handle = method.handle_class()(wrapped, view, method, seed, before)
    _refuse_untying(handle)
    return handle


def adapter_config(method: PeftMethod, fields: dict[str, Any] | None = None) -> PeftConfig:
    """Build the PEFT config that `method` asks for, of its own fields or of complete ones."""
    kind = method.adapter_type()
    config_class = PEFT_TYPE_TO_CONFIG_MAPPING[PeftType[kind]]
    settings = method.adapter_fields() if fields is None else fields
    try:
        return config_class(task_type="CAUSAL_LM", **settings)
    except (ValueError, TypeError) as refusal:
        raise MethodError(f"PEFT refuses the {kind} settings {settings}: {_one_line(refusal)}") from refusal


def refuse_rewritten(method: PeftMethod, model: PreTrainedModel) -> None:
    """Raise `MethodError` for LoRA on modules that PEFT refuses in `model`, or takes for its fused experts.

    It knows projections of some mixtures by their old names, and then adapts experts in place of the modules named.
    """
    names = method.adapter_fields().get("target_modules")
    if names is None or isinstance(names, str):
        return
    for name in names:
        try:
            _check_lora_target_modules_mamba(
                PeftConfig(peft_type=PeftType[method.adapter_type()]), model, name.split(".")[-1]
            )
        except ValueError as refusal:
            raise MethodError(
                f"PEFT cannot put {method.adapter_type()} on {name} of {type(model).__name__}, whose scan reads that "
                "weight past the adapter; leave it out of targets"
            ) from refusal
    if method.adapter_type() != "LORA":
        return
    config = LoraConfig(target_modules=list(names))
    try:
        convert_peft_config_for_transformers(config, model, None)
        taken = sorted(set(names) - set(config.target_modules or ()))
    except ValueError:
        taken = sorted(names)
    if taken:
        raise MethodError(
            f"PEFT takes {', '.join(taken)} of {type(model).__name__} for its fused experts, which are no linear "
            "modules; leave them out, as targets = 'attention' does"
        )


def _wrapped(
    method: PeftMethod, model: PreTrainedModel, config: PeftConfig, calibration: Calibration | None
) -> PeftModel:
    prompts = calibration if method.needs_calibration else None
    if method.needs_calibration and not prompts:
        raise MethodError(
            f"{method.type!r} starts from what training prompts do in the model; give attach their token ids"
        )

    # Without its compiled CUDA extension PEFT would drop all but the first of BOFT's factors.
    if method.adapter_type() == "BOFT":
        stand_in_for_cuda()

    # Starts that look at data run the prompts through the model before or after the adapters are on it.
    try:
        if prompts:
            before_adapters(method.lora_start, model, config, prompts)
        wrapped = get_peft_model(model, config, autocast_adapter_dtype=True)
        if prompts:
            after_adapters(method.lora_start, wrapped, config, prompts)
    except (ValueError, TypeError, NotImplementedError) as refusal:
        raise MethodError(
            f"PEFT cannot put {method.adapter_type()} on {type(model).__name__}: {_one_line(refusal)}"
        ) from refusal

    # What PEFT leaves open: a constant that must not be trained, and indices that a state dict has to hold.
    for name, parameter in wrapped.named_parameters():
        if ".ranknum." in name:  # AdaLoRA's constant divisor, which PEFT's cast to float32 makes trainable
            parameter.requires_grad_(False)
    _register_indices(wrapped)
    return wrapped


def _register_indices(model: PeftModel) -> None:
    """Make buffers of the indices that PEFT draws and keeps in plain dicts, which no state dict and no `to` sees."""
    for layer in model.modules():
        if isinstance(layer, BaseTunerLayer):
            plain = {name: tensors for name, tensors in vars(layer).items() if type(tensors) is dict and name[0] != "_"}
            for name, tensors in plain.items():
                if torch.is_tensor(tensors.get("default")):
                    setattr(layer, name, BufferDict(tensors, persistent=True))


def _refuse_untying(handle: "PeftHandle") -> None:
    """Raise where an adapter sits on one of several modules that share a weight: merging would untie them."""
    owners: dict[int, list[str]] = {}
    for name, parameter in handle.view.model.named_parameters(remove_duplicate=False):
        owners.setdefault(id(parameter), []).append(name.rpartition(".")[0])
    wrapped = {path for path, module in handle.live.named_modules() if handle.unwrapped(module) is not module}
    for tied in owners.values():
        if len(tied) > 1 and wrapped.intersection(tied):
            raise MethodError(
                f"an adapter on {min(wrapped.intersection(tied))!r} would untie the weight of {' and '.join(tied)}; "
                "leave it out, or untie the embeddings of the base"
            )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


class PeftHandle(Handle):
    """A handle over a `PeftModel`."""

    model: PeftModel

    def __init__(self, model: PeftModel, view: PlainView, method: Method, seed: int, before: dict[str, str]) -> None:
        super().__init__(model, view, method, seed)
        after = digests(view.tensors(self.live, self.unwrapped))
        self.changed_tensors: tuple[str, ...] = tuple(name for name in before if before[name] != after[name])
        self.changes_base = bool(self.changed_tensors)
        self.merge_refusal = self._why_not_mergeable()
        self.mergeable = self.merge_refusal is None

    @property
    def live(self) -> nn.Module:
        base: nn.Module = self.model.get_base_model()
        return base

    @property
    def config(self) -> PeftConfig:
        """The PEFT config that is really on the model."""
        return self.model.peft_config["default"]

    def unwrapped(self, module: nn.Module) -> nn.Module:
        plain = module
        if isinstance(module, BaseTunerLayer):
            plain = module.get_base_layer()
        elif isinstance(module, AuxiliaryTrainingWrapper):
            plain = module.original_module
        elif isinstance(module, AdaptedAttention):
            plain = module.model
        return plain

    def merged(self, module: nn.Module) -> nn.Module:
        if not isinstance(module, BaseTunerLayer | AuxiliaryTrainingWrapper):
            return module
        if isinstance(module, BaseTunerLayer) and module.merged:
            raise MethodError(
                f"a {type(module).__name__} was merged in place, which loses bits; "
                "use rollout_weights() instead of merge_adapter()"
            )

        # PEFT's merge writes to the base layer: on a twin with float32 copies, the original keeps its bits.
        duplicate: Any = _twin(module)
        _copy_weights(self.unwrapped(duplicate))

        # Wrappers that merge into another module than a base layer offer this; all others merge into their base layer.
        if hasattr(duplicate, "unload_and_optionally_merge_module"):
            plain = duplicate.unload_and_optionally_merge_module(merge=True, safe_merge=False, adapter_names=None)
        else:
            duplicate.merge()
            plain = duplicate.get_base_layer()
        assert isinstance(plain, nn.Module)
        return plain

    def _why_not_mergeable(self) -> str | None:
        """Return PEFT's reason against merging, found by merging the copy of one layer; None when it can be merged."""
        if not isinstance(self.model.base_model, BaseTuner):
            return f"{self.config.peft_type} adds tokens or attention, not weights"
        layer = next(module for module in self.live.modules() if isinstance(module, BaseTunerLayer))
        try:
            with torch.no_grad():
                self.merged(layer)
        except (NotImplementedError, ValueError) as refusal:
            return _one_line(refusal)
        return None

    def rate_factor(self, name: str) -> float:
        """Return what the learning rate of the trainable tensor `name` is multiplied with."""
        return 1.0

    def parameter_groups(self, learning_rate: float, weight_decay: float) -> list[dict[str, Any]]:
        """Return optimizer groups over the trainable tensors; norms, biases and gains (around one) are not decayed."""
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in self.trainable():
            decay = 0.0 if NO_WEIGHT_DECAY.search(name) or GAINS.search(name) else weight_decay
            groups.setdefault((learning_rate * self.rate_factor(name), decay), []).append(parameter)
        return [{"params": members, "lr": rate, "weight_decay": decay} for (rate, decay), members in groups.items()]

    def after_step(self, step: int) -> None:
        """Let AdaLoRA reallocate its ranks; PEFT only does so when asked after every step."""
        allocate = getattr(self.model.base_model, "update_and_allocate", None)
        if allocate is not None:
            allocate(step)

    def adapter_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield (name, tensor) of everything that PEFT added to the base for this method.

        Other adapters (a trainer's reference copy) are not the method's.
        """
        others = self.model.peft_config.keys() - {"default"}
        base = {id(parameter) for _, parameter in self.view.tensors(self.live, self.unwrapped)}
        buffers = {id(buffer) for buffer in self.view.model.buffers()}
        for name, tensor in self.model.state_dict(keep_vars=True).items():
            if id(tensor) not in base | buffers and not others.intersection(name.split(".")):
                yield name, tensor

    def stored_tensors(self) -> dict[str, Tensor]:
        """The adapters with their frozen tensors and, where initialisation moved the base, the moved weights.

        The moved weights follow from the seed only up to rounding on another machine, hence the copy.
        """
        moved = {f"base.{n}": p for n, p in self.view.tensors(self.live, self.unwrapped) if n in self.changed_tensors}
        return dict(self.adapter_tensors()) | dict(self.trainable()) | moved

    def save_adapter(self, folder: Path) -> bool:
        # The vocabulary never changes here: PEFT need not ask the hub whether the base's did.
        self.model.save_pretrained(str(folder), selected_adapters=["default"], save_embedding_layers=False)
        return True

    def realised(self) -> dict[str, Any]:
        config = {
            field.name: plain_value(getattr(self.config, field.name)) for field in dataclasses.fields(self.config)
        }
        layers = sum(isinstance(module, BaseTunerLayer) for module in self.live.modules())
        return {
            "peft_type": str(self.config.peft_type.value),
            "peft_config": config,
            "adapter_layers": layers,
            "changed_tensors": len(self.changed_tensors),
            "merge_refusal": self.merge_refusal,
            "modules": self.module_classes(),
        }


def _twin(module: nn.Module) -> nn.Module:
    """Return a module tree over the same tensors whose containers are its own.

    Merging fills and empties containers, and writes to the base layer, which `_copy_weights` makes safe. It also takes
    away the hooks that `hook_handles` lists, which are the original's: the twin lists none. A deep copy would cost as
    much as a rollout on small models.
    """
    twin = module.__new__(type(module))
    own = {
        name: copy.copy(value) if isinstance(value, dict | list | set) else value
        for name, value in vars(module).items()
    }
    twin.__dict__.update(own | ({"hook_handles": []} if "hook_handles" in own else {}))
    for name, child in module._modules.items():
        twin._modules[name] = None if child is None else _twin(child)
    return twin


def _copy_weights(module: nn.Module) -> None:
    """Give `module` float32 copies of its own parameters."""
    for name, parameter in module._parameters.items():
        if parameter is not None:
            weight = parameter.detach().to(torch.float32, copy=True)
            module._parameters[name] = nn.Parameter(weight, requires_grad=parameter.requires_grad)


def plain_value(value: Any) -> Any:
    """Return `value` as JSON can hold it: sets sorted, enums and nested configs as text or dicts."""
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    if isinstance(value, dict):
        return {str(key): plain_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain_value(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)

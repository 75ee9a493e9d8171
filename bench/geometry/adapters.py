"""Effective weights of an adapter folder on its base: PEFT's own format, or what a method of this package exports.

The base is loaded whole, in float32; adapters are merged on copies, one module at a time, as rollouts see them.
"""

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from peft import PeftConfig, PeftModel, get_peft_model_state_dict
from safetensors import SafetensorError, safe_open
from transformers import PreTrainedModel

from rlvr_bench.methods import registry as method_registry
from rlvr_bench.methods.base.digest import digests
from rlvr_bench.methods.base.handle import SETTINGS, TENSORS, Handle
from rlvr_bench.methods.base.plain import PlainView, as_it_is
from rlvr_bench.methods.errors import MethodError
from rlvr_bench.methods.peft.any_type import AnyPeft
from rlvr_bench.methods.peft.handle import PeftHandle
from rlvr_bench.models.bars import without_bars
from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.loading import load_causal_lm

PEFT_CONFIG = "adapter_config.json"
PEFT_TENSORS = "adapter_model.safetensors"


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter, which is nothing without its base."""
    return (folder / PEFT_CONFIG).is_file() or ((folder / SETTINGS).is_file() and (folder / TENSORS).is_file())


def adapted(base_folder: Path, adapter: Path) -> Handle:
    """Return a handle over the base with the adapter on it.

    Raises ModelError if one cannot be read, they do not belong together, or the adapter is not a change of weights.
    """
    try:
        with _quietly():
            model = load_causal_lm(base_folder)
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(
            f"The base of adapter {adapter} cannot be loaded from {base_folder}: {_line(error)}; give the whole model"
            " folder, with its config.json."
        ) from error
    load: Callable[[PreTrainedModel, Path], Handle] = _peft if (adapter / PEFT_CONFIG).is_file() else _exported
    try:
        with _quietly():
            handle = load(model, adapter)
    except (MethodError, OSError, ValueError, TypeError, RuntimeError, KeyError, SafetensorError) as error:
        raise ModelError(
            f"Adapter {adapter} cannot be put on {base_folder}: {_line(error)}; give a whole adapter folder and"
            " the base it was trained on."
        ) from error
    if not handle.mergeable:
        raise ModelError(f"Adapter {adapter} has no merged weights: it changes inputs or activations, not matrices.")
    return handle


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep off the progress bars of transformers (the report has one) and what libraries tell each other."""
    with without_bars(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def _peft(model: PreTrainedModel, folder: Path) -> Handle:
    if not (folder / PEFT_TENSORS).is_file():
        raise FileNotFoundError(f"it has no {PEFT_TENSORS} (pickled weights are refused)")
    view = PlainView(model)
    before = digests(view.tensors(model, as_it_is))
    config = PeftConfig.from_pretrained(folder)
    with warnings.catch_warnings():
        # PEFT only warns when an adapter covers less than its configuration says.
        warnings.filterwarnings("error", message="Found missing adapter keys")
        try:
            wrapped = PeftModel.from_pretrained(model, folder, config=config)
        except UserWarning as missing:
            raise ValueError(str(missing)) from missing
    with safe_open(folder / PEFT_TENSORS, framework="pt") as file:
        stored = set(file.keys())
    unknown = sorted(stored - get_peft_model_state_dict(wrapped).keys() - wrapped.state_dict().keys())
    if unknown:
        raise ValueError(f"it has {len(unknown)} tensors that the base has no place for, the first is {unknown[0]}")
    method = AnyPeft.model_construct(peft_type=str(config.peft_type.value))  # also of a type that is not trained here
    return PeftHandle(wrapped, view, method, 0, before)


def _exported(model: PreTrainedModel, folder: Path) -> Handle:
    identity = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    method = method_registry.create(identity["settings"])
    if method.needs_calibration:
        raise MethodError(f"method {method.type!r} starts from training prompts, which the export does not hold")
    handle = method.attach(model, int(identity["seed"]))
    handle.load(folder)
    return handle


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__

"""An adapter folder in PEFT's format, read from its configuration and its safetensors; nothing is run."""

import json
import math
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from rlvr_bench.audit.errors import AuditError, LacksData
from rlvr_bench.geometry.checkpoints import FLOATS, opened

CONFIG = "adapter_config.json"
TENSORS = "adapter_model.safetensors"
LARGEST_CONFIG = 2**20
LARGEST_RANK = 2**20

PREFIX = "base_model.model."
FACTORS = {"lora_A.weight": "A", "lora_B.weight": "B", "lora_embedding_A": "A", "lora_embedding_B": "B"}
RESIDUAL = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Initialisations that take the adapter's start out of the base: the adapter belongs on a residual base."""


@dataclass(frozen=True)
class Adapter:
    """An adapter: its configuration, and name -> shape and dtype of its tensors, without PEFT's prefix."""

    folder: Path
    config: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]

    @property
    def peft_type(self) -> str:
        """PEFT's name of the method, such as LORA."""
        return str(self.config.get("peft_type", "")).upper()

    @property
    def start(self) -> str:
        """How the adapter was initialised; "default" of PEFT's own zero start."""
        start = self.config.get("init_lora_weights", True)
        return start.lower() if isinstance(start, str) else "default"

    @property
    def is_residual(self) -> bool:
        """Whether the start of the adapter was taken out of the base."""
        return self.start.startswith(RESIDUAL)

    @property
    def is_plain_lora(self) -> bool:
        """Whether the update is scale * B A, which needs no model."""
        further = ("use_dora", "lora_bias", "layer_replication", "trainable_token_indices", "alora_invocation_tokens")
        return self.peft_type == "LORA" and not self.is_residual and not any(self.config.get(key) for key in further)

    @cached_property
    def modules(self) -> dict[str, dict[str, str]]:
        """Modules with low-rank factors: name -> {"A": tensor, "B": tensor}."""
        modules: dict[str, dict[str, str]] = {}
        for name in self.shapes:
            for ending, factor in FACTORS.items():
                if name.endswith("." + ending):
                    modules.setdefault(name.removesuffix("." + ending), {})[factor] = name
        return modules

    @property
    def whole(self) -> list[str]:
        """Tensors of the base that the adapter stores whole (modules_to_save, biases)."""
        factors = {name for pair in self.modules.values() for name in pair.values()}
        return [name for name in self.shapes if name not in factors and "lora_" not in name]

    def rank(self, module: str) -> int:
        """Return the rank that the configuration gives a module."""
        return int(self._of_module("rank_pattern", module, self.config.get("r", 0)))

    def stored_rank(self, module: str) -> int:
        """Return the rank of a module's stored factors: rows of A, or the columns of B where that is all there is."""
        return next(self.shapes[name][factor == "B"] for factor, name in sorted(self.modules[module].items()))

    def scale(self, module: str) -> float:
        """Return what the product B A is multiplied by: alpha / r, of rsLoRA alpha / sqrt(r) (arXiv 2312.03732)."""
        rank = self.rank(module)
        alpha = float(self._of_module("alpha_pattern", module, self.config.get("lora_alpha", 0)))
        return alpha / (math.sqrt(rank) if self.config.get("use_rslora") else rank)

    def update(self, module: str) -> Tensor:
        """Return the update of a module's matrix in the base's layout, float32. Raises AuditError if it has no pair."""
        pair = self.modules[module]
        if pair.keys() != {"A", "B"}:
            raise AuditError(f"{self.folder} has one factor of {module} alone: save the adapter again.")
        with opened(self.folder / TENSORS) as file:
            first, second = (file.get_tensor(self._stored(pair[factor])).float() for factor in "AB")
        if first.ndim != 2 or second.ndim != 2 or first.shape[0] != second.shape[1]:
            shapes = f"{tuple(second.shape)} and {tuple(first.shape)}"
            raise AuditError(
                f"{self.folder}: the factors of {module} are {shapes}, which make no matrix: save it again."
            )
        product: Tensor = self.scale(module) * (second @ first)
        embedding = "lora_embedding" in pair["A"]
        return product.T if embedding or self.config.get("fan_in_fan_out") else product

    def read(self, name: str) -> Tensor:
        """Return a stored tensor."""
        with opened(self.folder / TENSORS) as file:
            tensor: Tensor = file.get_tensor(self._stored(name))
        return tensor

    @cached_property
    def _prefixed(self) -> set[str]:
        with opened(self.folder / TENSORS) as file:
            return set(file.keys())

    def _stored(self, name: str) -> str:
        return PREFIX + name if PREFIX + name in self._prefixed else name

    def _of_module(self, key: str, module: str, default: Any) -> Any:
        """Return a module's value of a pattern table; keys match a module's name or its end, as in PEFT."""
        for pattern, value in (self.config.get(key) or {}).items():
            if not _is_literal(pattern):
                raise LacksData(f"plain names in {key}: {pattern} is a regular expression, which is not run")
            if _matches(pattern, module):
                return value
        return default


def open_adapter(folder: Path) -> Adapter:
    """Read an adapter's configuration and headers.

    Raises:
        AuditError: it is pickled, or no adapter.
        ModelError: its tensors are cut off.
    """
    if not (folder / TENSORS).is_file():
        pickled = any(folder.glob("*.bin")) or any(folder.glob("*.pt"))
        reason = "only pickled weights, which could run code" if pickled else f"no {TENSORS}"
        raise AuditError(f"Adapter {folder} has {reason}: save it with save_pretrained, which writes safetensors.")
    config = _config(folder / CONFIG)
    with opened(folder / TENSORS) as file:
        slices = {name.removeprefix(PREFIX): file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        shapes = {name: tuple(slice_.get_shape()) for name, slice_ in slices.items()}
        dtypes = {name: str(slice_.get_dtype()) for name, slice_ in slices.items()}
    other = next((name for name, dtype in dtypes.items() if dtype not in FLOATS), None)
    if other is not None or any(len(shape) < 2 for name, shape in shapes.items() if _is_factor(name)):
        reason = f"{other} as {dtypes[other]}" if other else "factors that are no matrices"
        raise AuditError(f"Adapter {folder} stores {reason}: save it in floating point, as PEFT does.")
    return Adapter(folder, config, shapes, dtypes)


def _is_factor(name: str) -> bool:
    return name.endswith(tuple(FACTORS))


def _config(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST_CONFIG:
            raise AuditError(f"{path} is larger than 1 MB: give the adapter_config.json that PEFT wrote.")
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise AuditError(f"{path} is no readable JSON ({error}): copy the adapter again.") from error
    if not isinstance(config, dict):
        raise AuditError(f"{path} is no table of settings: give the adapter_config.json that PEFT wrote.")
    if str(config.get("peft_type", "")).upper() == "LORA":
        ranks, alphas = (
            _of_all(config, key, pattern) for key, pattern in (("r", "rank_pattern"), ("lora_alpha", "alpha_pattern"))
        )
        whole = all(isinstance(rank, int) and 0 < rank <= LARGEST_RANK for rank in ranks)
        if not (whole and all(isinstance(alpha, int | float) and math.isfinite(alpha) for alpha in alphas)):
            raise AuditError(f"{path} has no usable r and lora_alpha: give the adapter_config.json that PEFT wrote.")
    return config


def _of_all(config: dict[str, Any], key: str, pattern: str) -> list[Any]:
    """Return all values of a setting; of a pattern that is no table, None among them."""
    table = config.get(pattern) or {}
    return [config.get(key), *(table.values() if isinstance(table, dict) else [None])]


def _is_literal(pattern: str) -> bool:
    """Whether a pattern means one name: a regular expression of a stranger may run for ever."""
    return re.fullmatch(r"[\w.-]+", _plain(pattern)) is not None


def _plain(pattern: str) -> str:
    return pattern.removeprefix("^").removesuffix("$").replace("\\.", ".")


def _matches(pattern: str, module: str) -> bool:
    """Whether a pattern is a module's name or its end, literally, or as a regular expression of plain characters."""
    literal = _plain(pattern)
    return module == literal or module.endswith("." + literal)


def targets(config: dict[str, Any], module: str) -> bool | None:
    """Whether `target_modules` names a module; None where it is a pattern or "all-linear", which needs the model."""
    wanted = config.get("target_modules")
    if isinstance(wanted, list):
        return any(_matches(str(each), module) for each in wanted)
    if isinstance(wanted, str) and re.fullmatch(r"[\w.]+", wanted) and wanted != "all-linear":
        return module == wanted
    return None

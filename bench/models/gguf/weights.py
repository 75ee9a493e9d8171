"""From a file's tensors to the parameters of its model, in float32: all of them, and nothing left over."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from gguf import MODEL_ARCH_NAMES, get_tensor_name_map
from torch import Tensor, nn
from transformers import PreTrainedConfig

from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.gguf.architecture import NO_PARAMETERS, architecture_of
from rlvr_bench.models.gguf.dequantise import values_of
from rlvr_bench.models.gguf.header import GgufHeader, StoredTensor

EMBEDDING, HEAD = "token_embd.weight", "output.weight"

TIED_DIFFERENCE = 0.25
"""An output matrix this near to the embedding, by relative Frobenius norm, is the same matrix quantised another way.

Two roundings of one matrix to 4 bits differ by some 0.1 (0.044 in Qwen2.5-0.5B, 4 and 8 bits), matrices that were
trained apart by more than 1.
"""


def untied_head(header: GgufHeader) -> str | None:
    """Return which of embedding and output matrix is left out, as the other one is meant to be both; None if neither.

    llama.cpp quantises the output matrix of a tied model on its own, more finely than the embedding: the finer one is
    kept, since it is nearer to what was published.
    """
    tensors = header.tensors
    if not {EMBEDDING, HEAD} <= tensors.keys() or tensors[EMBEDDING].shape != tensors[HEAD].shape:
        return None
    embedding, head = (values_of(header, tensors[name]) for name in (EMBEDDING, HEAD))
    if np.linalg.norm(head - embedding) > TIED_DIFFERENCE * np.linalg.norm(embedding):
        return None
    coarser_first = sorted((EMBEDDING, HEAD), key=lambda name: tensors[name].bits_per_weight)
    return HEAD if tensors[EMBEDDING].bits_per_weight == tensors[HEAD].bits_per_weight else coarser_first[0]


def parameters(
    header: GgufHeader, config: PreTrainedConfig, model: nn.Module, left_out: str | None, told: Callable[[float], None]
) -> Iterator[tuple[str, Tensor]]:
    """Yield the name and the value of every parameter of a model, those that are tied once.

    Args:
        header: of the file.
        config: of its model.
        model: its modules, which need no weights.
        left_out: a tensor of the file that is not used (see `untied_head`).
        told: is called with the share of the tensors that is done.

    Raises:
        ModelError: the file lacks a parameter, has one of another shape, or holds something that the model has not.
    """
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    places = _names_in_file(header, config, shapes)
    if left_out is not None:
        places[HEAD] = places[EMBEDDING]
        del places[left_out]
    stored = {name: tensor for name, tensor in header.tensors.items() if name not in (left_out, *NO_PARAMETERS)}
    _refuse_misfit(header, stored, places, shapes)
    restore = architecture_of(header).restore
    for done, tensor in enumerate(stored.values(), 1):
        values = restore(tensor.name, values_of(header, tensor), config)
        yield places[tensor.name], torch.from_numpy(np.array(values))  # a copy: plain floats are the mapped file itself
        told(done / len(stored))


def _names_in_file(header: GgufHeader, config: PreTrainedConfig, names: Iterable[str]) -> dict[str, str]:
    """Return what llama.cpp calls each parameter -> its name; one that it does not know stays as it is."""
    family = next(each for each, title in MODEL_ARCH_NAMES.items() if title == header.architecture)
    known = get_tensor_name_map(family, config.num_hidden_layers)
    found = {}
    for name in names:
        module, _, kind = name.rpartition(".")
        place = known.get_name(module)
        found[name if place is None else f"{place}.{kind}"] = name
    return found


def _refuse_misfit(
    header: GgufHeader,
    stored: dict[str, StoredTensor],
    places: dict[str, str],
    shapes: dict[str, tuple[int, ...]],
) -> None:
    wrong = f"{header.path} does not hold the {header.architecture} model that its metadata describe"
    if missing := next((name for name in places if name not in stored), None):
        raise ModelError(f"{wrong}: {missing} is missing; convert the model again.")
    if unknown := next((name for name in stored if name not in places), None):
        raise ModelError(f"{wrong}: it has no place for {unknown}; give the model's folder.")
    for name, tensor in stored.items():
        if (expected := shapes[places[name]]) != tensor.shape:
            raise ModelError(f"{wrong}: {name} is {tensor.shape}, not {expected}; convert the model again.")

"""A plain transformers model beside the trained one, sharing every tensor that training does not reshape.

Rollouts, evaluation and export want a model without adapters. Merging adapters into the base and unmerging them again
by subtraction loses bits (the base drifts by per cents in bfloat16), so nothing is ever merged in place: the plain
model is a second module tree over the *same* tensors, and merged matrices are built on copies and hung into that tree.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

Unwrap = Callable[[nn.Module], nn.Module]
"""Maps a module of the trained tree to the plain module with the same tensors as in the base (e.g. merged)."""


def as_it_is(module: nn.Module) -> nn.Module:
    """The `Unwrap` of a tree that has no wrapped modules."""
    return module


class PlainView:
    """The module tree of a model as it was before a method was attached.

    Build it *before* attaching. `names` are the base's parameter names, tied ones once; `second_names` those under
    which a tied one is found again.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        shared = {id(tensor): tensor for tensor in chain(model.parameters(), model.buffers())}
        self.model: PreTrainedModel = copy.deepcopy(model, shared).eval()
        self.names: tuple[str, ...] = tuple(name for name, _ in model.named_parameters())
        every = {name for name, _ in model.named_parameters(remove_duplicate=False)}
        self.second_names: frozenset[str] = frozenset(every.difference(self.names))

    def link(self, live: nn.Module, unwrap: Unwrap) -> None:
        """Hang the tensors of `live`, each module seen through `unwrap`, into the plain model."""
        for _, plain, source in _pairs(self.model, live, unwrap):
            for name in list(plain._parameters):
                setattr(plain, name, source._parameters.get(name))
            for name in list(plain._buffers):
                setattr(plain, name, source._buffers.get(name))

    def tensors(self, live: nn.Module, unwrap: Unwrap) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield (base parameter name, parameter of `live` seen through `unwrap`), one module at a time.

        A bias that `unwrap` gives to a module of the base that has none is yielded too, under the name it would have.
        """
        known = set(self.names)
        for path, plain, source in _pairs(self.model, live, unwrap):
            for name in plain._parameters:
                full = f"{path}.{name}" if path else name
                added = full not in self.second_names and source._parameters.get(name) is not None
                if full in known or added:
                    yield full, source.get_parameter(name)

    def buffers(self, live: nn.Module, unwrap: Unwrap) -> Iterator[Tensor]:
        """Yield the buffers of `live`, seen through `unwrap`, that the base has too."""
        for _, plain, source in _pairs(self.model, live, unwrap):
            for name in plain._buffers:
                buffer = source._buffers.get(name)
                if buffer is not None:
                    yield buffer


def fill(model: nn.Module, weights: Mapping[str, Tensor]) -> list[str]:
    """Copy `weights` into `model`, with a bias where a linear module has none; return the names that have no place."""
    modules, odd = dict(model.named_modules()), []
    for name, tensor in weights.items():
        path, _, leaf = name.rpartition(".")
        module = modules.get(path)
        if module is None or leaf not in module._parameters:
            odd.append(name)
        elif module._parameters[leaf] is None:
            module.register_parameter(leaf, nn.Parameter(tensor.clone()))
        else:
            with torch.no_grad():
                module.get_parameter(leaf).copy_(tensor)
    return odd


def _pairs(
    plain: nn.Module, live: nn.Module, unwrap: Unwrap, path: str = ""
) -> Iterator[tuple[str, nn.Module, nn.Module]]:
    source = unwrap(live)
    yield path, plain, source
    for name, child in plain.named_children():
        yield from _pairs(child, source.get_submodule(name), unwrap, f"{path}.{name}" if path else name)


@contextmanager
def in_training_mode(model: nn.Module, training: bool) -> Iterator[None]:
    """Run the body with `model` in training or in eval mode, and put the mode back."""
    before = model.training
    model.train(training)
    try:
        yield
    finally:
        model.train(before)


def last_logits(model: nn.Module, token_ids: Tensor) -> Tensor:
    """Return float32 logits (batch, length, vocabulary) of `model` for `token_ids`, without virtual prompt tokens.

    Runs in eval mode without gradients and puts the training flag back.
    """
    with in_training_mode(model, False), torch.no_grad():
        logits: Tensor = model(input_ids=token_ids).logits
    return logits[:, -token_ids.shape[1] :].float()

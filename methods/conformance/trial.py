"""One short training run of a case, watched: what moved, where gradients went, what rollouts did to the model.

Most checks read a trial. It trains as the harness does, with the method's optimizer and hooks, between two rollouts.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from rlvr_bench.methods import attestation
from rlvr_bench.methods.attestation import Attestation
from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.methods.base.method import Method
from rlvr_bench.methods.base.plain import last_logits
from rlvr_bench.methods.conformance.case import Case, batch
from rlvr_bench.methods.conformance.forward import Pass, passed, passed_by

STEPS = 3
LEARNING_RATE = 1e-2
WEIGHT_DECAY = 0.1
BETAS = (0.9, 0.95)

Snapshot = dict[str, Tensor]


@dataclass
class Trial:
    """The handle as training left it, and what was seen on the way.

    `original` is the base's parameters, `reference` the frozen copy that a KL term would use; `base` and `start` are
    passes of the base and of the untrained handle. `gradients` maps every tensor that backpropagation reached to its
    largest |gradient|; `touched` says what a rollout context changed.
    """

    case: Case
    reference: PreTrainedModel
    original: Snapshot
    handle: Handle
    record: Attestation
    base: Pass
    start: Pass
    start_state: Snapshot
    start_base: Snapshot
    start_frozen: Snapshot
    gradients: dict[str, float] = field(default_factory=dict)
    touched: list[str] = field(default_factory=list)

    @property
    def method(self) -> Method:
        """The method under check."""
        return self.case.method

    @cached_property
    def spare(self) -> Handle:
        """A second handle like the first, not trained."""
        return self.case.attach()


def run(case: Case) -> Trial:
    """Attach the case's method, train it for `STEPS` steps, and attest it."""
    base = case.base()
    reference, original = case.base(), snapshot(base.named_parameters())
    before = passed(base)
    observed = attestation.observe(base, case.method)
    handle = case.attach(base)
    record = attestation.begin(case.method, handle, observed)
    trial = Trial(
        case=case,
        reference=reference,
        original=original,
        handle=handle,
        record=record,
        base=before,
        start=passed_by(handle),
        start_state=snapshot(state(handle.model)),
        start_base=snapshot(handle.view.tensors(handle.live, handle.unwrapped)),
        start_frozen=snapshot(frozen(handle)),
    )
    attestation.finish(record, handle, _train(trial))
    return trial


def optimizer_of(handle: Handle, weight_decay: float) -> torch.optim.Optimizer:
    """Return the method's own optimizer, ready for `STEPS` steps at 1e-2 or the nearest rate worth searching."""
    low, high = handle.method.learning_rates
    optimizer = handle.create_optimizer(min(max(LEARNING_RATE, low), high), weight_decay, BETAS)
    handle.before_training(STEPS)
    return optimizer


def _train(trial: Trial) -> torch.optim.Optimizer:
    handle = trial.handle
    optimizer, token_ids = optimizer_of(handle, WEIGHT_DECAY), batch()
    handle.model.train()
    trial.touched += touched_by_rollout(handle)
    for step in range(STEPS):
        loss = handle.model(input_ids=token_ids, labels=token_ids).loss
        reached = _leaves(loss, handle.model)
        loss.backward()
        for name, tensor in reached.items():
            largest = 0.0 if tensor.grad is None else tensor.grad.abs().max().item()
            trial.gradients[name] = max(largest, trial.gradients.get(name, 0.0))
        optimizer.step()
        handle.after_step(step)
        optimizer.zero_grad()
    trial.touched += touched_by_rollout(handle)
    return optimizer


def touched_by_rollout(handle: Handle) -> list[str]:
    """Say what one generation in a rollout context leaves changed on the model, also when it ends in an exception."""
    last_logits(handle.model, batch())  # a method may bring its weights up to date in the forward pass
    before = snapshot(state(handle.model))
    training = handle.model.training
    try:
        with handle.rollout_weights() as plain:
            last_logits(plain, batch())
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    problems = list(moves(before, state(handle.model)))
    if handle.model.training != training:
        problems.append(f"the model was in {_mode(training)} mode before the context and is not after it")
    return problems


def _mode(training: bool) -> str:
    return "training" if training else "eval"


def _leaves(loss: Tensor, model: nn.Module) -> dict[str, Tensor]:
    """Return every tensor that backpropagation from `loss` reaches, read from the graph, not from `requires_grad`."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    leaves: dict[str, Tensor] = {}
    waiting, seen = [loss.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        waiting += [parent for parent, _ in node.next_functions]
        leaf = getattr(node, "variable", None)
        if leaf is not None:
            leaves[names.get(id(leaf), f"a tensor {tuple(leaf.shape)} that is no parameter of the model")] = leaf
    return leaves


def state(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield every parameter and buffer."""
    return chain(model.named_parameters(), model.named_buffers())


def frozen(handle: Handle) -> Iterator[tuple[str, Tensor]]:
    """Yield everything that must not move."""
    return chain(handle.frozen_tensors(), handle.frozen_additions())


def snapshot(named: Iterable[tuple[str, Tensor]]) -> Snapshot:
    """Return name -> copy."""
    return {name: tensor.detach().clone() for name, tensor in named}


def moves(before: Mapping[str, Tensor], after: Iterable[tuple[str, Tensor]]) -> Iterator[str]:
    """Yield one sentence for each tensor of `before` that has other bits in `after`, or is missing there."""
    now = dict(after)
    for name, old in before.items():
        if name not in now:
            yield f"{name} is gone"
        elif old.shape != now[name].shape:
            yield f"{name} went from shape {tuple(old.shape)} to {tuple(now[name].shape)}"
        elif not torch.equal(old, now[name]):
            yield f"{name} moved by {(now[name].double() - old.double()).abs().max().item():.3g}"

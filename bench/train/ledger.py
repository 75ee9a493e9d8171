"""What training used: floating-point operations, tokens and labels, counted in one way for all signals.

FLOPs are the dense estimate: 2 per weight of a matrix product and token forward, twice that backward, and attention on
top (Kaplan et al. 2020, arXiv 2001.08361, table 1; Hoffmann et al. 2022, arXiv 2203.15556, appendix F). They count the
algorithm, not an implementation: a completion is scored with its prompt and without padding, whether or not the trainer
found a shorter way, and a method with few trainable weights is counted as full fine-tuning. What only measures
(evaluation, shadow samples, the KL that is not in the loss) is not counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn
from transformers.pytorch_utils import Conv1D

from rlvr_bench.experiment.settings import TrainingSettings
from rlvr_bench.record.schema import Ledger
from rlvr_bench.train import processes
from rlvr_bench.train.trajectory import Trajectory


@dataclass(frozen=True, slots=True)
class Shape:
    """What a decoder's FLOPs depend on: weights in matrix products, and layers x attention width."""

    weights: int
    attention: int

    @classmethod
    def of(cls, model: nn.Module) -> "Shape":
        """Read the shape of a plain transformers model; the embedding is a look-up, the output layer a product."""
        config: Any = model.config
        text = config.get_text_config()
        layers = (module for module in model.modules() if isinstance(module, nn.Linear | Conv1D))
        weights = sum(layer.weight.numel() for layer in layers)
        heads = getattr(text, "num_attention_heads", None)
        if heads is None:  # a state-space model (Mamba), whose scan is small beside its products
            return cls(weights, 0)
        # Query heads may add up to more or less than the residual stream (Qwen3).
        width = getattr(text, "head_dim", None) or text.hidden_size // heads
        return cls(weights, text.num_hidden_layers * heads * width)

    def forward(self, tokens: int) -> int:
        """FLOPs of one sequence in one pass; every token attends to every other, as dense kernels compute it."""
        return 2 * self.weights * tokens + 4 * self.attention * tokens**2

    def decode(self, prompt: int, completion: int) -> int:
        """FLOPs of sampling `completion` tokens behind a prompt, with a cache: the last token is not fed back."""
        # The k-th token fed back attends to the prompt, to those before it and to itself: k keys beside the prompt's.
        fed = completion - 1
        keys = fed * prompt + fed * (fed + 1) // 2
        return self.forward(prompt) + 2 * self.weights * fed + 4 * self.attention * keys


SHARED = ("forward_flops", "backward_flops", "generated_tokens", "learned_tokens", "verdicts")
"""What every process of a cell counts for its own completions."""


@dataclass(slots=True)
class Meter:
    """Adds up what one cell's training uses, over all its parts; `steps` are optimizer steps."""

    planned: int | None = None
    steps: int = 0
    forward_flops: int = 0
    backward_flops: int = 0
    generated_tokens: int = 0
    learned_tokens: int = 0
    verdicts: int = 0
    preference_pairs: int = 0
    solutions: int = 0
    update_norm: float | None = None
    reward_model: dict[str, float] | None = None
    dead: bool = False
    """Whether a trial is stopped because it is dead (see `dead`)."""
    trajectory: Trajectory | None = None
    """The way of some trainable values, over all parts of the run."""
    _shared: list[int] = field(default_factory=lambda: [0] * len(SHARED))

    def generate(self, shape: Shape, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]]) -> None:
        """Count completions that were sampled to learn from."""
        for prompt, completion in zip(prompts, completions, strict=True):
            self.forward_flops += shape.decode(len(prompt), len(completion))
            self.generated_tokens += len(completion)

    def learn(self, shape: Shape, lengths: Sequence[int]) -> None:
        """Count sequences that went forward and backward."""
        self.score(shape, lengths)
        self.backward_flops += sum(2 * shape.forward(length) for length in lengths)
        self.learned_tokens += sum(lengths)

    def score(self, shape: Shape, lengths: Sequence[int]) -> None:
        """Count sequences that went forward alone: through a reward model, or the reference of a KL penalty."""
        self.forward_flops += sum(shape.forward(length) for length in lengths)

    def share(self) -> None:
        """Add what the other processes of this cell counted since the last call, so that all hold the same totals."""
        own = [getattr(self, name) for name in SHARED]
        # Only what is new: totals of earlier calls hold the other processes' counts already.
        sums = processes.sums([value - before for value, before in zip(own, self._shared, strict=True)])
        self._shared = [before + int(total) for before, total in zip(self._shared, sums, strict=True)]
        for name, total in zip(SHARED, self._shared, strict=True):
            setattr(self, name, total)

    @property
    def flops(self) -> int:
        """All floating-point operations."""
        return self.forward_flops + self.backward_flops

    @property
    def labels(self) -> int:
        """All labels that were bought: verdicts that a reward or filter read, preference pairs, worked solutions."""
        return self.verdicts + self.preference_pairs + self.solutions

    def exhausted(self, settings: TrainingSettings) -> bool:
        """Whether the budget that training is matched by is used, so that it ends."""
        # Labels that are bought before the first step are spent at once: there the steps say when training ends.
        if settings.budget is None or (settings.match == "labels" and settings.buys_ahead):
            return False
        used = {"flops": self.flops, "labels": self.labels, "update_norm": self.update_norm or 0.0}
        return used[settings.match] >= settings.budget

    def ends(self, settings: TrainingSettings) -> bool:
        """Whether training ends before its last step: its budget is used, or the run is dead."""
        return self.dead or self.exhausted(settings)

    def _used_up(self, settings: TrainingSettings) -> bool:
        # A run that ends early, by a non-finite gradient for one, has budget left and is no fair match.
        trained = self.steps >= settings.steps
        if settings.match == "steps":
            return trained
        if settings.match == "labels" and settings.buys_ahead:
            return trained and self.labels >= settings.affordable
        return self.exhausted(settings)

    def ledger(self, settings: TrainingSettings) -> Ledger:
        """Return the record of it."""
        return Ledger(
            match=settings.match,
            budget=settings.budget,
            used_up=self._used_up(settings),
            forward_flops=self.forward_flops,
            backward_flops=self.backward_flops,
            generated_tokens=self.generated_tokens,
            learned_tokens=self.learned_tokens,
            verdicts=self.verdicts,
            preference_pairs=self.preference_pairs,
            solutions=self.solutions,
        )

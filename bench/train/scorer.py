"""The trainer's own log-probabilities of sampled completions: of the policy with gradients, of the base without.

Two ways that agree up to rounding: "packed" (one row without padding, see `packed`) and "padded" (TRL's own forward
pass for the policy, a plain one for the base), which any model and adapter can run.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from rlvr_bench.train import packed
from rlvr_bench.train.log_probs import completion_log_probs
from rlvr_bench.train.packed import Packing

PACKED, PADDED, AUTO = "packed", "padded", "auto"


@dataclass(frozen=True, slots=True)
class Rows:
    """Prompts and completions as TRL pads them: prompts on the left, completions on the right, masks 0 on padding."""

    prompt_ids: Tensor
    prompt_mask: Tensor
    completion_ids: Tensor
    completion_mask: Tensor

    @classmethod
    def of(cls, batch: dict[str, Tensor]) -> "Rows":
        """The rows of one of TRL's batches."""
        return cls(*(batch[f"{part}_{what}"] for part in ("prompt", "completion") for what in ("ids", "mask")))

    @classmethod
    def of_lists(cls, prompts: list[list[int]], completions: list[list[int]], device: torch.device) -> "Rows":
        """Pad lists of token ids (with 0, behind a mask)."""
        return cls(*_padded(prompts, "left", device), *_padded(completions, "right", device))

    @staticmethod
    def floats(rows: list[list[float]], device: torch.device) -> Tensor:
        """Pad one number per completion token to (rows, length), with 0."""
        return pad_sequence([torch.tensor(row, dtype=torch.float32) for row in rows], batch_first=True).to(device)

    def select(self, rows: Tensor) -> "Rows":
        """Only the rows of these numbers."""
        return Rows(
            self.prompt_ids[rows], self.prompt_mask[rows], self.completion_ids[rows], self.completion_mask[rows]
        )

    def packing(self) -> Packing:
        """The same rows without padding."""
        prompts = _unpadded(self.prompt_ids, self.prompt_mask)
        completions = _unpadded(self.completion_ids, self.completion_mask)
        return Packing.of(prompts, completions, self.prompt_ids.device)


def policy_log_probs(model: nn.Module, rows: Rows, temperature: float) -> tuple[Tensor, Tensor]:
    """Return log-probabilities (with gradient) and entropies of a packed batch, (rows, length), 0 on padding."""
    flat_log_probs, flat_entropies = packed.log_probs(model, rows.packing(), temperature)
    mask = rows.completion_mask.bool()
    zeros = torch.zeros(mask.shape, device=mask.device)
    return zeros.masked_scatter(mask, flat_log_probs), zeros.masked_scatter(mask, flat_entropies)


@torch.no_grad()
def log_probs_of(model: nn.Module, rows: Rows, temperature: float, backend: str) -> Tensor:
    """Return the log-probabilities of completions, (rows, length), float32, 0 on padding, without gradients."""
    if backend == PACKED:
        return policy_log_probs(model, rows, temperature)[0]
    ids = torch.cat([rows.prompt_ids, rows.completion_ids], dim=1)
    mask = torch.cat([rows.prompt_mask, rows.completion_mask], dim=1)
    length = rows.completion_ids.shape[1]
    return completion_log_probs(model, ids, mask, length, temperature) * rows.completion_mask


def _unpadded(ids: Tensor, mask: Tensor) -> list[list[int]]:
    return [row[real].tolist() for row, real in zip(ids, mask.bool(), strict=True)]


def _padded(rows: list[list[int]], side: Literal["left", "right"], device: torch.device) -> tuple[Tensor, Tensor]:
    ids = pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_side=side)
    mask = pad_sequence([torch.ones(len(row), dtype=torch.long) for row in rows], batch_first=True, padding_side=side)
    return ids.to(device), mask.to(device)

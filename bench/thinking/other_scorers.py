"""Scorers that a probe is compared with: a linear probe of the base's hidden states, and a separate model.

Both read the hidden state of the trace's newest token. The external scorer is a whole copy fine-tuned on the same
traces: what it gains is the data's, what a probe gains beyond it is not (control C3 of the reviews of one-token
verification; arXiv 2604.16029 retrains a process reward model the same way).
"""

import copy
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from rlvr_bench.thinking.batch import TraceBatch


class HiddenStateScorer(nn.Module):
    """A linear head on the final hidden state of the newest token.

    Args:
        base: a plain model, which is only read.
        separate: train a copy of the whole decoder with the head; else the head alone, on the frozen base.
    """

    offset: Tensor

    def __init__(self, base: PreTrainedModel, separate: bool) -> None:
        super().__init__()
        self.separate = separate
        body = base.base_model
        self._frozen = [body]
        self.body: nn.Module | None = copy.deepcopy(body).float().requires_grad_(True) if separate else None
        width = base.get_input_embeddings().weight.shape[1]
        self.head = nn.Linear(width, 1).to(base.device)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("offset", torch.zeros((), device=base.device))

    def logits(self, batch: TraceBatch) -> Tensor:
        """Log odds of a correct end, shape [traces, positions]."""
        body = self._frozen[0] if self.body is None else self.body
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.separate):
            hidden = body(input_ids=batch.token_ids, use_cache=False).last_hidden_state
        newest = (batch.tokens_read - 1).unsqueeze(-1).expand(-1, -1, hidden.shape[-1])
        logits: Tensor = self.head(hidden.gather(1, newest).float()).squeeze(-1) + self.offset
        return logits

    def without_training(self) -> AbstractContextManager[None]:
        """See `training.TraceScorer`."""
        return torch.no_grad()

    def trained(self) -> dict[str, Tensor]:
        """What was learnt, by name."""
        return {**dict(self.named_parameters()), "offset": self.offset}

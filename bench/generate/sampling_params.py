"""How completions are sampled: one object that training, evaluation and thinking hand to every backend."""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rlvr_bench.generate.errors import GenerationError
from rlvr_bench.generate.stopping import StopTexts, eos_token_ids


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingParams:
    """What a backend generates by, beside the model and its prompts.

    Attributes:
        max_new_tokens: tokens of a completion at most, its EOS included.
        temperature: logits are divided by it; 0 is greedy decoding. The whole distribution is sampled: no top-k or
            top-p, so that log-probabilities are those of what was drawn.
        seed: of the rows' noise; greedy decoding does not use it.
        eos_token_ids: each of them ends a completion, and stands at its end.
        stop: texts that end a completion too, where the backend can look for them while it draws; their last token
            stands at its end. `stop_texts.finish` has to be called all the same.
        pad_token_id: what fills the places before shorter prompts, where a backend needs something there.
        batch_size: rows decoded at once; samples do not depend on it.

    Raises:
        GenerationError: a number is out of its range.
    """

    max_new_tokens: int
    temperature: float
    seed: int = 0
    eos_token_ids: frozenset[int] = frozenset()
    pad_token_id: int = 0
    batch_size: int
    stop: StopTexts | None = None

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1 or self.batch_size < 1:
            raise GenerationError(
                f"Got max_new_tokens={self.max_new_tokens} and batch_size={self.batch_size}; both have to be 1 or more."
            )
        if not 0.0 <= self.temperature < float("inf"):
            raise GenerationError(f"Got temperature={self.temperature}; it has to be 0 (greedy) or a positive number.")

    @classmethod
    def of_model(
        cls,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_new_tokens: int,
        temperature: float,
        seed: int = 0,
        batch_size: int,
        stop: Sequence[str] = (),
    ) -> "SamplingParams":
        """The same, with the tokens that end and pad the completions of this model."""
        return cls(
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            seed=seed,
            eos_token_ids=eos_token_ids(model, tokenizer),
            pad_token_id=tokenizer.pad_token_id,
            batch_size=batch_size,
            stop=StopTexts.of(tokenizer, stop),
        )

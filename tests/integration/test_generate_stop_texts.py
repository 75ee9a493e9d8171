"""Rows that end at a stop text while they are drawn: the same completions as those that are shortened afterwards."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from generate_models import mixed_prompts, tiny_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from rlvr_bench.generate import matmul
from rlvr_bench.generate.backend import Completions, create
from rlvr_bench.generate.sampling import row_keys
from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.generate.stop_texts import finish
from rlvr_bench.generate.stopping import StopTexts
from rlvr_bench.models.tokenizer import character_tokenizer
from rlvr_bench.thinking import cached_decoder

VOCABULARY = 99
PLAIN = SamplingParams(
    max_new_tokens=24, temperature=1.0, seed=3, eos_token_ids=frozenset({1, 2}), pad_token_id=0, batch_size=11
)
PROMPTS = mixed_prompts()


def _bytes_tokenizer() -> PreTrainedTokenizerFast:
    """A token a byte, so that a character takes up to four."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: place for place, token in enumerate(["<pad>", "<eos>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>")


def _often(texts: list[str]) -> tuple[str, ...]:
    """A text of two characters and one of one character that stand inside of several of these."""
    pairs = [text[place : place + 2] for text in texts for place in range(3, len(text) - 4)]
    return max(set(pairs), key=pairs.count), max(set("".join(pairs)), key="".join(pairs).count)


def _close(one: Completions, other: Completions) -> bool:
    return all(
        torch.allclose(torch.tensor(left), torch.tensor(right), atol=1e-4)
        for left, right in zip(one.logprobs, other.logprobs, strict=True)
    )


@pytest.mark.parametrize("blocks", [False, True], ids=["exact rows", "whole blocks"])
@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("name", ["hf", "fast"])
def test_ending_rows_early_is_shortening_them_afterwards(
    name: str, temperature: float, blocks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if blocks and not torch.backends.mkldnn.is_available():
        pytest.skip("this torch has no oneDNN")
    monkeypatch.setattr(matmul, "library", lambda: "onednn" if blocks else "blas")
    monkeypatch.setattr(matmul, "MIN_MULTIPLICATIONS", 1)
    model, tokenizer, params = tiny_model(vocabulary=VOCABULARY), character_tokenizer(256), PLAIN
    params = replace(PLAIN, temperature=temperature)
    whole = create(name).generate(model, PROMPTS, params)
    stop = _often(finish(whole, tokenizer, ())[1])
    early = create(name).generate(model, PROMPTS, replace(params, stop=StopTexts(tokenizer, stop)))
    expected, texts = finish(whole, tokenizer, stop)
    assert early.token_ids == expected.token_ids and early.truncated == expected.truncated
    assert _close(early, expected)
    assert finish(early, tokenizer, stop)[1] == texts
    assert sum(map(len, early.token_ids)) < sum(map(len, whole.token_ids))
    assert set(early.truncated) == {True, False}, "some rows have to end and others not"


def test_a_monitored_model_ends_its_rows_too() -> None:
    model, tokenizer = tiny_model(vocabulary=VOCABULARY), character_tokenizer(256)

    class Watching:
        places = 0

        def running(self, view: Any, logits: torch.Tensor) -> torch.Tensor:
            return torch.ones(len(view.rows), dtype=torch.bool)

        def ended(self, view: Any) -> None:
            """Nothing is kept."""

    keys = row_keys(PROMPTS, PLAIN.seed)
    whole = cached_decoder.generate(model, PROMPTS, PLAIN, Watching(), keys)
    stop = _often(finish(whole, tokenizer, ())[1])
    params = replace(PLAIN, stop=StopTexts(tokenizer, stop))
    expected, _ = finish(whole, tokenizer, stop)
    for early in (
        cached_decoder.generate(model, PROMPTS, params, Watching(), keys),
        create("fast").generate(model, PROMPTS, params, Watching(), keys),  # type: ignore[call-arg]
    ):
        assert early.token_ids == expected.token_ids and early.truncated == expected.truncated


@pytest.mark.parametrize("stop", ["Frage:", "\n\n", "é", "漢字", "🍎", " ", "Q: "])
def test_the_window_holds_a_stop_text_of_any_characters(stop: str) -> None:
    tokenizer = _bytes_tokenizer()
    texts = StopTexts(tokenizer, (stop,))
    ids = tokenizer("Σ x = 1🍏, " * 5 + stop + "🍎漢é")["input_ids"]
    first = next(count for count in range(len(ids)) if stop in tokenizer.decode(ids[:count]))
    seen = next(count for count in range(len(ids)) if texts.stand_in([ids[max(0, count - texts.window) : count]])[0])
    assert seen == first


def test_without_stop_texts_nothing_is_decoded() -> None:
    assert StopTexts.of(character_tokenizer(64), []) is None

"""Packing on every architecture: it equals the model's own padded forward pass, or it is not used."""

import pytest
import torch
from architectures import ARCHITECTURES, READS_PADDING, WINDOW, made, tiny

from rlvr_bench.train import packed, proof, scorer
from rlvr_bench.train.scorer import Rows

PROMPTS = [[3, 4, 5], list(range(3, 3 + 2 * WINDOW))]
LONGEST = 3 * WINDOW
REFUSED = {
    "gemma2": "capped scores",
    "gpt-oss": "sinks",
    "bloom": "attention interface",
    "falcon-alibi": "attention interface",
    "lfm2": "layers of type conv",
    "qwen3-next": "attention interface",
    "nemotron": "keep keywords from it",
    "stablelm": "attention interface",
    "gptj": "attention interface",
    "mpt": "attention interface",
    "qwen3.5": "attention interface",
    "mamba2": "attention interface",
    "falcon-h1": "attention interface",
    "granite-hybrid": "layers of type linear_attention",
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_packing_is_proved_or_refused_in_a_sentence(name: str) -> None:
    reason = proof.packing_refusal(tiny(name), PROMPTS, LONGEST)
    if name in REFUSED:
        assert reason is not None and REFUSED[name] in reason
    else:
        assert reason is None


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_prompts_of_different_lengths_can_stand_in_one_batch(name: str) -> None:
    assert proof.padding_refusal(tiny(name), PROMPTS) is None


def test_a_model_that_reads_padding_is_refused_and_only_where_there_is_some() -> None:
    model = made(*READS_PADDING)
    reason = proof.padding_refusal(model, PROMPTS)
    assert reason is not None and "RecurrentGemmaForCausalLM reads padding" in reason and "\n" not in reason
    assert proof.padding_refusal(model, PROMPTS[:1]) is None


@pytest.mark.parametrize("name", ["mistral", "qwen2-window", "gemma3", "olmo3"])
def test_windows_shorter_than_a_completion_are_kept_with_gradients(name: str) -> None:
    model, rows = tiny(name), _rows()
    log_probs, _ = scorer.policy_log_probs(model, rows, 1.0)
    log_probs.sum().backward()
    packed_gradients = {key: value.grad.clone() for key, value in model.named_parameters() if value.grad is not None}
    model.zero_grad()
    ids, mask = (torch.cat(pair, dim=1) for pair in ((rows.prompt_ids, rows.completion_ids), _masks(rows)))
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    logits = model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False).logits
    length = rows.completion_ids.shape[1]
    scored = torch.log_softmax(logits[:, -length - 1 : -1], dim=-1).gather(-1, rows.completion_ids.unsqueeze(-1))
    (scored.squeeze(-1) * rows.completion_mask).sum().backward()
    for key, value in model.named_parameters():
        if value.grad is not None:
            torch.testing.assert_close(packed_gradients[key], value.grad, rtol=1e-3, atol=1e-4)


def test_an_attention_that_nothing_announces_is_found_by_the_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kind of fault that a config cannot tell: here a window that the packed row does not hear of."""
    whole = packed.Block.within
    monkeypatch.setattr(packed.Block, "within", lambda block, window: whole(block, None))
    reason = proof.packing_refusal(tiny("mistral"), PROMPTS, LONGEST)
    assert reason is not None and "differ by" in reason
    assert proof.choose("auto", (tiny("mistral"),), PROMPTS, LONGEST) == "padded"
    with pytest.raises(ValueError, match=r'"packed" is not possible: its packed log-probabilities differ'):
        proof.choose("packed", (tiny("mistral"),), PROMPTS, LONGEST)


def test_policy_and_reference_are_scored_in_the_same_way() -> None:
    packs, refuses = tiny("llama"), tiny("gemma2")
    assert proof.choose("auto", (packs, packs), PROMPTS, LONGEST) == "packed"
    assert proof.choose("auto", (packs, refuses), PROMPTS, LONGEST) == "padded"
    assert proof.choose("padded", (packs, packs), PROMPTS, LONGEST) == "padded"


def test_the_proof_is_made_once_for_a_model_and_its_lengths(monkeypatch: pytest.MonkeyPatch) -> None:
    model, calls = tiny("llama"), []
    real = scorer.log_probs_of
    monkeypatch.setattr(scorer, "log_probs_of", lambda *given: (calls.append(given[-1]), real(*given))[1])
    for longest in (LONGEST, LONGEST, 2 * LONGEST):
        assert proof.packing_refusal(model, PROMPTS, longest) is None
    assert calls == ["padded", "packed"] * 2


def _rows() -> Rows:
    generator = torch.Generator().manual_seed(1)
    completions = [torch.randint(3, 90, (length,), generator=generator).tolist() for length in (LONGEST, 5, 1)]
    return Rows.of_lists([PROMPTS[1], PROMPTS[1], PROMPTS[0]], completions, torch.device("cpu"))


def _masks(rows: Rows) -> tuple[torch.Tensor, torch.Tensor]:
    return rows.prompt_mask, rows.completion_mask

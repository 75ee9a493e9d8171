"""lm-eval's view of a model that one of our backends runs: greedy generation, and likelihoods of given texts.

Gives the answers of lm-eval's own `HFLM` for the same prompts. Unlike there, prompts are cut to the model's context
only on request.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.models.utils import (
    handle_stop_sequences,
    normalize_gen_kwargs,
    postprocess_generated_text,
    resolve_max_length,
)
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rlvr_bench.evaluate.completion import Completion, decode
from rlvr_bench.evaluate.likelihood import log_likelihoods
from rlvr_bench.generate.backend import Backend
from rlvr_bench.generate.chat_template import render
from rlvr_bench.generate.sampling_params import SamplingParams


class UnsupportedRequestError(ValueError):
    """lm-eval asked for what this model interface does not offer; the message is one sentence with the fix."""


class BackendLM(LM):
    """Answers lm-eval's requests; `completions` keeps what was generated last, in the order of the requests.

    `cut_prompts`: a prompt that leaves no room for its answer loses its beginning, as in `HFLM`.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        backend: Backend,
        batch_size: int,
        cut_prompts: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        self.backend = backend
        self.batch_size = batch_size
        self.cut_prompts = cut_prompts
        self.completions: list[Completion] = []
        self._rendered: set[str] = set()

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Greedy answers, cut at the stop texts of each request and at the text of the EOS, as HFLM does."""
        arguments = [(str(request.args[0]), dict(request.args[1])) for request in requests]
        answers: list[str] = [""] * len(requests)
        completed: list[Completion | None] = [None] * len(requests)
        limits_and_stops = [(_greedy_limit(options), self._stops(options)) for _, options in arguments]
        for limit, stops in sorted(set(limits_and_stops)):
            places = [place for place, other in enumerate(limits_and_stops) if other == (limit, stops)]
            prompts = [arguments[place][0] for place in places]
            for place, completion in zip(places, self._complete(prompts, limit, stops), strict=True):
                completed[place] = completion
                answers[place] = postprocess_generated_text(completion.text, list(stops), None)
        self.completions = [completion for completion in completed if completion is not None]
        return answers

    def _complete(self, prompts: list[str], max_new_tokens: int, stops: tuple[str, ...]) -> list[Completion]:
        completions = self.backend.generate(
            self.model,
            [self._encode(prompt, max_new_tokens) for prompt in prompts],
            SamplingParams.of_model(
                self.model,
                self.tokenizer,
                max_new_tokens=max_new_tokens,
                temperature=0.0,
                batch_size=self.batch_size,
                stop=stops,
            ),
        )
        return decode(completions, self.tokenizer, stops)

    def _encode(self, prompt: str, max_new_tokens: int) -> list[int]:
        ids = self._ids(prompt, prompt)
        room = self._context - max_new_tokens
        if self.cut_prompts and room < 1:
            raise UnsupportedRequestError(
                f"lm-eval's task asks for {max_new_tokens} new tokens, but the model's context is {self._context};"
                " set max_new_tokens, or leave that task out."
            )
        return ids[-room:] if self.cut_prompts else ids

    def _stops(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        until = options.get("until")
        stops = handle_stop_sequences(list(until) if isinstance(until, list) else until, eos=self.tokenizer.eos_token)
        return tuple(stop for stop in stops if stop)

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The messages in the tokenizer's own template."""
        (rendered,) = render(
            self.tokenizer,
            [chat_history],
            add_generation_prompt=add_generation_prompt,
            continue_final_message=not add_generation_prompt,
        )
        self._rendered.add(rendered)
        return rendered

    @property
    def tokenizer_name(self) -> str:
        """Names the tokenizer in lm-eval's request cache, which the harness leaves off."""
        return str(self.tokenizer.name_or_path)

    def chat_template(self, chat_template: bool | str = False) -> str:
        """The text of the template that `apply_chat_template` uses."""
        return str(self.tokenizer.chat_template or "")

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Log-probability of each continuation after its context, and whether greedy decoding would give it."""
        pairs = [self._pair(str(request.args[0]), str(request.args[1])) for request in requests]
        return log_likelihoods(self.model, pairs, self.batch_size, self._context)

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """Log-probability of each whole text, in windows of the model's context, after its BOS (else its EOS)."""
        windows = [list(self._windows(str(request.args[0]))) for request in requests]
        pairs = [pair for own in windows for pair in own]
        totals = iter(log_likelihoods(self.model, pairs, self.batch_size, self._context))
        return [sum(next(totals)[0] for _ in own) for own in windows]

    @property
    def _context(self) -> int:
        """Tokens that the model reads at most, found as lm-eval finds them."""
        return int(resolve_max_length(self.model.config, self.tokenizer))

    @property
    def _start(self) -> int:
        """The token that stands before a text without context."""
        bos, eos = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        return int(eos if bos is None else bos)

    def _pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        """Token ids of both, cut where the context alone ends; spaces at its end belong to the continuation."""
        if not context:
            ids: list[int] = self.tokenizer(continuation, add_special_tokens=False)["input_ids"]
            return (ids[:1], ids[1:]) if ids[0] == self._start else ([self._start], ids)
        bare = context.rstrip()
        whole = self._ids(context, context + continuation)
        before = self._ids(context, bare)
        return whole[: len(before)], whole[len(before) :]

    def _ids(self, context: str, text: str) -> list[int]:
        """Token ids of a text that begins with `context`, in which a chat template has written the special tokens."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=context not in self._rendered)["input_ids"]
        return ids

    def _windows(self, text: str) -> Iterator[tuple[list[int], list[int]]]:
        windows = get_rolling_token_windows(
            token_list=self.tokenizer(text)["input_ids"],
            prefix_token=self._start,
            max_seq_len=self._context,
            context_len=1,
        )
        return map(make_disjoint_window, windows)


def _greedy_limit(options: Mapping[str, Any]) -> int:
    """Most new tokens of a request, which must be for greedy decoding."""
    normal = normalize_gen_kwargs(dict(options))
    if normal["do_sample"] or normal["temperature"] > 0.0:
        raise UnsupportedRequestError(
            f"Got a request to sample (do_sample={normal['do_sample']}, temperature={normal['temperature']}), but "
            "lm-eval scores greedy answers here; use rlvr_bench.evaluate.sampling for several samples per problem."
        )
    return int(normal["max_gen_toks"])

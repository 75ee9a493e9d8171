"""lm-eval's view of a model that one of our backends runs: greedy generation only.

Gives the answers of lm-eval's own `HFLM` for the same prompts. Unlike there, prompts are never cut to the model's
context, and a stop text shortens the answer but not the generation. Likelihood requests are refused.
"""

from collections.abc import Mapping
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.models.utils import handle_stop_sequences, normalize_gen_kwargs, postprocess_generated_text
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rlvr_bench.evaluate.completion import Completion, decode
from rlvr_bench.generate.backend import Backend
from rlvr_bench.generate.prompt_ids import prompt_ids
from rlvr_bench.generate.sampling_params import SamplingParams


class UnsupportedRequestError(ValueError):
    """lm-eval asked for what this model interface does not offer; the message is one sentence with the fix."""


class BackendLM(LM):
    """Answers `generate_until`; `completions` keeps what was generated, in the order of the requests."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        backend: Backend,
        batch_size: int,
    ) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        self.backend = backend
        self.batch_size = batch_size
        self.completions: list[Completion] = []
        self._rendered: set[str] = set()

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Greedy answers, cut at the stop texts of each request and at the text of the EOS, as HFLM does."""
        arguments = [(str(request.args[0]), dict(request.args[1])) for request in requests]
        answers: list[str] = [""] * len(requests)
        completed: list[Completion | None] = [None] * len(requests)
        limits = [_greedy_limit(options) for _, options in arguments]
        for limit in sorted(set(limits)):
            places = [place for place, other in enumerate(limits) if other == limit]
            for place, completion in zip(places, self._complete([arguments[p][0] for p in places], limit), strict=True):
                completed[place] = completion
                answers[place] = self._cut(completion.text, arguments[place][1])
        self.completions = [completion for completion in completed if completion is not None]
        return answers

    def _complete(self, prompts: list[str], max_new_tokens: int) -> list[Completion]:
        completions = self.backend.generate(
            self.model,
            [self._encode(prompt) for prompt in prompts],
            SamplingParams.of_model(
                self.model,
                self.tokenizer,
                max_new_tokens=max_new_tokens,
                temperature=0.0,
                batch_size=self.batch_size,
            ),
        )
        return decode(completions, self.tokenizer)

    def _encode(self, prompt: str) -> list[int]:
        if prompt not in self._rendered:
            return prompt_ids(self.tokenizer, prompt)
        # The chat template has written the special tokens already.
        ids: list[int] = self.tokenizer(prompt, add_special_tokens=False)["input_ids"]
        return ids

    def _cut(self, text: str, options: Mapping[str, Any]) -> str:
        until = options.get("until")
        stops = handle_stop_sequences(list(until) if isinstance(until, list) else until, eos=self.tokenizer.eos_token)
        answer: str = postprocess_generated_text(text, stops, None)
        return answer

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The messages in the tokenizer's own template."""
        rendered: str = self.tokenizer.apply_chat_template(
            chat_history, tokenize=False, add_generation_prompt=add_generation_prompt
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
        """Refused."""
        raise _refused("loglikelihood")

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """Refused."""
        raise _refused("loglikelihood_rolling")


def _refused(kind: str) -> UnsupportedRequestError:
    return UnsupportedRequestError(
        f"Got a {kind!r} request, but this model interface only generates; score such tasks with lm-eval's HFLM."
    )


def _greedy_limit(options: Mapping[str, Any]) -> int:
    """Most new tokens of a request, which must be for greedy decoding."""
    normal = normalize_gen_kwargs(dict(options))
    if normal["do_sample"] or normal["temperature"] > 0.0:
        raise UnsupportedRequestError(
            f"Got a request to sample (do_sample={normal['do_sample']}, temperature={normal['temperature']}), but "
            "lm-eval scores greedy answers here; use rlvr_bench.evaluate.sampling for several samples per problem."
        )
    return int(normal["max_gen_toks"])

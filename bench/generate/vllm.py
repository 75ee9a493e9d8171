"""Generation by vLLM on GPUs, through TRL; needs the extra `[vllm]`.

TRL starts the engine beside the trainer ("colocate") or talks to a server, and copies weights into it. Here it is given
the plain model on merged weights, never the adapters, so that nothing is merged into the base and taken out again.
"""

from typing import Any

from accelerate import Accelerator
from transformers import PreTrainedModel
from trl.generation import vllm_generation
from trl.import_utils import is_vllm_available

from rlvr_bench.generate.backend import Completions, check_model, check_prompts
from rlvr_bench.generate.sampling_params import SamplingParams


class VllmBackend:
    """One vLLM engine for the life of the backend; weights are copied into it at every call.

    Samples depend on the state of the engine: runs repeat only as a whole. It does not tell entropies.

    Args:
        mode: "colocate" on the trainer's GPUs, or "server".
        memory: share of the GPU's memory for engine and cache in "colocate".
        server: base URL in "server", such as "http://localhost:8000".
    """

    name = "vllm"

    def __init__(self, mode: str = "colocate", memory: float = 0.4, server: str | None = None) -> None:
        self._options = {"mode": mode, "gpu_memory_utilization": memory, "server_base_url": server}
        self._engine: Any = None

    def refusal(self, model: PreTrainedModel) -> str | None:
        """Why vLLM cannot run `model` here: not installed, no GPU, or weights that came from no folder or hub id."""
        if not is_vllm_available():
            return "Backend 'vllm' needs vLLM; pip install 'rlvr-bench[vllm]', or use backend 'auto'."
        if model.device.type != "cuda":
            return f"Backend 'vllm' needs the model on a GPU, it is on {model.device}; use backend 'auto'."
        if not model.name_or_path:
            return "Backend 'vllm' reads the model from a folder or hub id, this one has neither; use backend 'hf'."
        return None

    def generate(self, model: PreTrainedModel, prompts: list[list[int]], params: SamplingParams) -> Completions:
        """See `Backend.generate`; the engine schedules rows itself, and the seed is not used."""
        check_prompts(prompts)
        check_model(self, model)
        if self._engine is None:
            self._engine = vllm_generation.VLLMGeneration(model, Accelerator(), None, logprobs=0, **self._options)
        engine = self._engine
        engine.model, engine.temperature = model, params.temperature
        engine.max_completion_length = params.max_new_tokens
        engine.generation_kwargs = {"stop_token_ids": sorted(params.eos_token_ids)}
        if params.stop is not None:
            engine.generation_kwargs["stop"] = list(params.stop.texts)
        engine.sync_weights()
        _, tokens, logprobs, _ = engine.generate(prompts, None, num_generations=1)
        return Completions(
            token_ids=[list(row) for row in tokens],
            logprobs=[[float("nan") if place[0] is None else place[0] for place in row] for row in logprobs],
            entropies=None,
            # What ended at a stop text is told apart by `stop_texts.finish`.
            truncated=[row[-1] not in params.eos_token_ids for row in tokens],
        )

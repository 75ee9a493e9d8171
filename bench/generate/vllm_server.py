"""vLLM's own server, spoken to over HTTP: the endpoints that TRL's client uses, and those that take weights by file.

TRL pushes weights by NCCL, which needs a GPU on both sides. Without one they are written to a file that the server
reads, so that it has to see this machine's cache folder. An adapter always goes by file. Needs no vLLM here.
"""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from safetensors.torch import save_file
from transformers import PreTrainedModel

from rlvr_bench.generate.errors import GenerationError

CONCURRENT = 64
"""Requests at a time, as in TRL's client: each row is one, since only a request has a seed."""
SECONDS = 600
"""How long an answer is waited for."""
LOGPROBS = "processed_logprobs"
START = (
    "VLLM_SERVER_DEV_MODE=1 VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 vllm serve MODEL --dtype {dtype}"
    f" --logprobs-mode {LOGPROBS}"
)
"""How a server is started that this can use; for adapters with --enable-lora, to push weights with
--weight-transfer-config '{"backend": "nccl"}'."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What a server says of itself."""

    name: str
    version: str
    dtype: str
    logprobs_mode: str
    takes_pushed_weights: bool


class VllmServer:
    """One server; `url` is TRL's `vllm_server_base_url`."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._client: Any = None

    @cached_property
    def model(self) -> ServedModel:
        """What it serves. Raises GenerationError where none answers, or not with what is asked here."""
        settings = self._ask("/server_info?config_format=json")["vllm_config"]
        return ServedModel(
            name=self._ask("/v1/models")["data"][0]["id"],
            version=self._ask("/version")["version"],
            dtype=str(settings["model_config"]["dtype"]).removeprefix("torch."),
            logprobs_mode=settings["model_config"]["logprobs_mode"],
            takes_pushed_weights=settings.get("weight_transfer_config") is not None,
        )

    def complete(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the one choice of each request of /v1/completions, in order."""
        with ThreadPoolExecutor(CONCURRENT) as pool:
            answers = list(pool.map(lambda row: self._ask("/v1/completions", row), rows))
        return [answer["choices"][0] for answer in answers]

    def load_weights(self, model: PreTrainedModel, folder: Path) -> None:
        """Give the server all weights of `model`: pushed from a GPU to one that takes that, else through `folder`."""
        if model.device.type == "cuda" and self.model.takes_pushed_weights:
            self._push(model)
        else:
            weights = {name: each.detach().cpu().contiguous() for name, each in model.named_parameters()}
            save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
            rpc = {"method": "reload_weights", "kwargs": {"weights_path": str(folder.resolve())}}
            self._ask("/collective_rpc", rpc)
        self._ask("/reset_prefix_cache", {})

    def load_adapter(self, name: str, folder: Path) -> None:
        """Let the server serve the adapter in `folder` under a name that it does not know yet."""
        self._ask("/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(folder.resolve())})

    def unload_adapter(self, name: str) -> None:
        """Let the server forget an adapter."""
        self._ask("/v1/unload_lora_adapter", {"lora_name": name})

    def _push(self, model: PreTrainedModel) -> None:
        """Send the weights from GPU to GPU, by TRL's client, which needs vLLM here too."""
        if self._client is None:
            from trl.generation.vllm_client import VLLMClient

            self._client = VLLMClient(base_url=self.url)
            self._client.init_communicator(model.device)
        self._client.update_model_params(model)

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Return the JSON that an endpoint answers, None where it says nothing; with a `body` it is a POST."""
        content = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, content, {"Content-Type": "application/json"})
        try:
            with urlopen(request, timeout=SECONDS) as answer:
                text = answer.read()
        except HTTPError as error:
            raise GenerationError(self._refused(path, error)) from error
        except (URLError, OSError) as error:
            raise GenerationError(
                f"No vLLM server answers at {self.url} ({getattr(error, 'reason', error)}); start one with"
                f' `{START.format(dtype="float32")}`, or set signal.vllm_mode = "colocate".'
            ) from error
        try:
            return json.loads(text) if text.strip() else None
        except ValueError:  # some endpoints answer with a sentence
            return None

    def _refused(self, path: str, error: HTTPError) -> str:
        said = " ".join(error.read().decode(errors="replace").split())[:300]
        if error.code == 404:
            return (
                f"The vLLM server at {self.url} has no {path.partition('?')[0]}; start it with"
                f" `{START.format(dtype='float32')}`."
            )
        return (
            f"The vLLM server at {self.url} refuses {path.partition('?')[0]} with {error.code} ({said}); see its log."
        )

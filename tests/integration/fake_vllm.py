"""A server that answers as `vllm serve` does, with transformers on a small model behind it."""

import copy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import PreTrainedModel

from rlvr_bench.generate.hf import HfBackend
from rlvr_bench.generate.sampling_params import SamplingParams


class FakeVllm:
    """What a server holds: its model, its adapters by name, and the paths that it was asked, in order."""

    def __init__(self, model: PreTrainedModel, dtype: str = "torch.float32") -> None:
        self.model, self.dtype, self.logprobs_mode = model.eval(), dtype, "processed_logprobs"
        self.adapters: dict[str, PreTrainedModel] = {}
        self.served: list[str] = []
        self.asked: list[str] = []
        self.url = ""
        self.absent: set[str] = set()
        self.lost: set[str] = set()
        """Parameters that never arrive."""
        self.most_adapters = 0
        self._lock = threading.Lock()  # of the model: requests come at the same time

    def answer(self, path: str, body: dict[str, Any]) -> Any:
        with self._lock:
            self.asked.append(path)
            return getattr(self, "_" + path.strip("/").removeprefix("v1/"))(body)

    def _server_info(self, body: dict[str, Any]) -> Any:
        model = {"dtype": self.dtype, "logprobs_mode": self.logprobs_mode}
        return {"vllm_config": {"model_config": model, "weight_transfer_config": None}}

    def _models(self, body: dict[str, Any]) -> Any:
        return {"data": [{"id": "base"}]}

    def _version(self, body: dict[str, Any]) -> Any:
        return {"version": "0.30.0"}

    def _reset_prefix_cache(self, body: dict[str, Any]) -> Any:
        return {"success": True}

    def _collective_rpc(self, body: dict[str, Any]) -> Any:
        assert body["method"] == "reload_weights"
        (file,) = Path(body["kwargs"]["weights_path"]).glob("*.safetensors")
        own = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, tensor in load_file(file).items():
                if name not in self.lost:
                    own[name].copy_(tensor)
        return {"results": [None]}

    def _load_lora_adapter(self, body: dict[str, Any]) -> None:
        assert body["lora_name"] not in self.served, "vLLM would sample from what it remembers of the name"
        adapted = PeftModel.from_pretrained(copy.deepcopy(self.model), body["lora_path"])
        self.adapters[body["lora_name"]] = adapted.eval()
        self.most_adapters = max(self.most_adapters, len(self.adapters))

    def _unload_lora_adapter(self, body: dict[str, Any]) -> None:
        del self.adapters[body["lora_name"]]

    def _completions(self, body: dict[str, Any]) -> Any:
        self.served.append(body["model"])
        model = self.model if body["model"] == "base" else self.adapters[body["model"]]
        params = SamplingParams(
            max_new_tokens=body["max_tokens"],
            temperature=body["temperature"],
            seed=body["seed"],
            eos_token_ids=frozenset(body["stop_token_ids"]),
            batch_size=1,
        )
        row = HfBackend().generate(model, [body["prompt"]], params)
        logprobs = {"token_logprobs": row.logprobs[0]}
        return {"choices": [{"token_ids": row.token_ids[0], "logprobs": logprobs}]}


@contextmanager
def serving(fake: FakeVllm) -> Iterator[FakeVllm]:
    """Serve on a free port of this machine, whose address is then the fake's `url`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, body: dict[str, Any]) -> None:
            path = self.path.partition("?")[0]
            if path in fake.absent:
                self.send_error(404)
                return
            try:
                content, code = json.dumps(fake.answer(path, body)).encode(), 200
            except Exception as error:  # noqa: BLE001 - as a server, which does not end by a request
                content, code = repr(error).encode(), 500
            self.send_response(code)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *given: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()

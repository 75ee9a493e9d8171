"""Reading the weights that a finished run left, tensor by tensor, from safetensors files and nothing else."""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from rlvr_bench.methods.errors import MethodError


class TunedWeights:
    """The tensors in `source`, a safetensors file or a folder of them (a checkpoint, or what `Handle.export` wrote).

    Raises `MethodError` when there is no such file, and when one is broken.
    """

    def __init__(self, source: str) -> None:
        self.source = Path(source).expanduser()
        files = sorted(self.source.glob("*.safetensors")) if self.source.is_dir() else [self.source]
        if not files or not all(file.is_file() for file in files):
            raise MethodError(
                f"tuned = {source!r} holds no safetensors file; give the final weights of a finished full run"
            )
        self._files: dict[str, Path] = {}
        for file in files:
            try:
                with safe_open(file, framework="pt") as stored:
                    self._files |= dict.fromkeys(stored.keys(), file)
            except SafetensorError as failure:
                raise MethodError(
                    f"{file} is no whole safetensors file ({failure}); save the weights again"
                ) from failure

    def weight(self, name: str, base: Tensor) -> Tensor:
        """Return the tensor `name`; raises `MethodError` unless it is there in the shape of `base`."""
        if name not in self._files:
            raise MethodError(
                f"{self.source} has no tensor {name!r}; give the weights of a full run on this base, not an adapter's"
            )
        with safe_open(self._files[name], framework="pt") as stored:
            tensor: Tensor = stored.get_tensor(name)
        if tensor.shape != base.shape:
            raise MethodError(
                f"{name!r} in {self.source} has shape {tuple(tensor.shape)}, the base has {tuple(base.shape)}; "
                "give a run on this base"
            )
        return tensor

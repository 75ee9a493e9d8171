"""OSF keeps what it trains off the span of the large singular triples by hooks on its frames: set, and tried out.

PEFT sets the hooks before it casts the frames to float32, which makes new tensors without any; its merge removes them.
"""

import numpy as np
import torch
from peft.tuners.osf.layer import OSFLayer
from torch import Tensor, nn

from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.methods.base.observation import SVD_SAMPLE
from rlvr_bench.methods.peft.method import PeftMethod

LEAK_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 5e-2, torch.float16: 1e-2}
"""Largest share of a gradient's norm in the frozen span that decomposing a base of this dtype explains."""


def project_gradients(model: nn.Module) -> None:
    """Set the projecting hooks anew, once on every frame that is trained; a model without OSF stays as it is."""
    for layer in model.modules():
        if isinstance(layer, OSFLayer):
            layer._detach_hooks()
            layer._attach_hooks("default")


def subspace_problems(method: PeftMethod, handle: Handle, _: object) -> list[str]:
    """Return where a random gradient of a trained frame keeps a part in the span of the frozen singular vectors.

    The span is decomposed anew, in numpy's float64, for `SVD_SAMPLE` layers; a model without OSF has no problem here.
    """
    layers = [(path, module) for path, module in handle.live.named_modules() if isinstance(module, OSFLayer)]
    problems = []
    for path, layer in layers[:: -(-len(layers) // SVD_SAMPLE) or 1]:
        weight, trained = layer.get_base_layer().weight.detach(), layer.osf_svd_params["default"]
        left, _, right = np.linalg.svd(weight.double().cpu().numpy(), full_matrices=False)
        frozen = left.shape[1] - trained["U_low"].shape[1]
        spans = {"U_low": left[:, :frozen].T, "V_low": right[:frozen]}
        for name, span in spans.items():
            gradient = _hooked_gradient(trained[name]).double().cpu().numpy()
            inside = span @ (gradient if name == "U_low" else gradient.T)
            share = float(np.linalg.norm(inside) / np.linalg.norm(gradient))
            if not share <= LEAK_TOLERANCE[weight.dtype]:
                problems.append(f"{path}: {share:.2g} of the gradient of {name} lies in the frozen singular subspace")
    return problems


def _hooked_gradient(parameter: nn.Parameter) -> Tensor:
    """Return what the hooks of `parameter` make of a random gradient; its own is not touched."""
    probe = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)).to(parameter)
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad((parameter * probe).sum(), [parameter])
    return gradient

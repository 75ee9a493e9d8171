"""The weights of a Llama-like decoder, laid out for the fast path.

Reads plain transformers models only (Llama, Qwen2, Qwen3). Prepared once per call: q, k and v in one matrix, norm
weights and the attention scale folded into the matrix that follows, all matrices transposed. What is not a plain weight
(an adapter that was not merged, a hook, a sliding window) is refused, never ignored.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.activations import SiLUActivation

ARCHITECTURES = ("LlamaForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM")
# Frequencies of the others depend on the length reached, so no table made beforehand holds for every step.
_ROPE_TYPES = ("default", "linear", "llama3", "yarn")
_PLAIN = (nn.Linear, nn.Embedding, nn.ModuleList, SiLUActivation)


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """One decoder layer; matrices are [in, out], so that activations multiply from the left without a transpose.

    The columns of `qkv` are grouped by key head, [kv_heads, group + 2, head_dim]: the queries that share a key,
    the key, the value. The two dimensions that a rotary embedding turns together lie side by side
    (transformers keeps them half a head apart), in queries and keys alike, which leaves their products as they are.
    `head_norm` holds the weights of Qwen3's query and key norms, shape [group + 1, head_dim].
    """

    qkv: Tensor
    qkv_bias: Tensor | None
    head_norm: Tensor | None
    out: Tensor
    out_bias: Tensor | None
    gate: Tensor
    gate_bias: Tensor | None
    up: Tensor
    up_bias: Tensor | None
    down: Tensor
    down_bias: Tensor | None


@dataclass(frozen=True, slots=True)
class DecoderWeights:
    """All that a forward pass needs. `epsilon` is that of the root-mean-square norms."""

    embedding: Tensor
    layers: list[LayerWeights]
    norm: Tensor
    head: Tensor
    head_bias: Tensor | None
    rotary: nn.Module
    heads: int
    kv_heads: int
    head_dim: int
    epsilon: float

    @property
    def group(self) -> int:
        """Query heads that share one key head."""
        return self.heads // self.kv_heads

    @property
    def width(self) -> int:
        """Size of the residual stream."""
        return self.embedding.shape[1]

    @property
    def dtype(self) -> torch.dtype:
        """Type of weights and activations."""
        return self.embedding.dtype


def refusal(model: PreTrainedModel) -> str | None:
    """Why the fast path cannot run `model`, in one sentence; None when it can."""
    kind = type(model).__name__
    # Remote code may carry the name of a known class and compute something else.
    if kind not in ARCHITECTURES or not type(model).__module__.startswith("transformers."):
        return f"The fast path runs {', '.join(ARCHITECTURES)}, got {kind}; use backend 'hf'."
    config: Any = model.config
    rope_type = config.rope_parameters["rope_type"]
    if rope_type not in _ROPE_TYPES:
        return f"The fast path knows rope types {', '.join(_ROPE_TYPES)}, got {rope_type!r}; use backend 'hf'."
    if config.hidden_act != "silu":
        return f"The fast path knows the activation 'silu', got {config.hidden_act!r}; use backend 'hf'."
    if "sliding_attention" in (getattr(config, "layer_types", None) or ()):
        return "The fast path has no sliding-window attention, which this model uses; use backend 'hf'."
    # Whatever else changes the forward pass sits in a module: an adapter, a hook, a quantised or sharded weight.
    refusals = (_module_refusal(name, module) for name, module in model.named_modules())
    return next((refused for refused in refusals if refused is not None), None)


def _module_refusal(name: str, module: nn.Module) -> str | None:
    kind = type(module)
    plain = kind in _PLAIN or kind.__module__.startswith("transformers.models.")
    if not plain or module._forward_hooks or module._forward_pre_hooks:
        reason = f"a {kind.__name__} with a forward hook" if plain else f"a {kind.__module__}.{kind.__name__}"
        return f"The fast path reads plain weights, but {name!r} is {reason}; merge adapters first or use backend 'hf'."
    # Of this module alone: its children are looked at on their own, under their own names.
    for tensor in module._parameters.values():
        if tensor is not None and (tensor.device.type != "cpu" or not tensor.is_floating_point()):
            reason = f"{tensor.dtype} on {tensor.device}"
            return (
                f"The fast path reads floating-point weights on the CPU, but {name!r} has {reason}; use backend 'hf'."
            )
    return None


def read_weights(model: PreTrainedModel, dtype: torch.dtype) -> DecoderWeights:
    """Weights of a model that `refusal` accepts, as tensors of `dtype`; the model keeps its own."""
    config: Any = model.config
    body: Any = model.model
    heads, kv_heads = config.num_attention_heads, config.num_key_value_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    lm_head: Any = model.lm_head
    with torch.no_grad():
        return DecoderWeights(
            embedding=body.embed_tokens.weight.to(dtype),
            layers=[_layer(layer, kv_heads, head_dim, dtype) for layer in body.layers],
            norm=_scaled_norm(body.norm).to(dtype),
            head=lm_head.weight.to(dtype).t(),
            head_bias=None if lm_head.bias is None else lm_head.bias.to(dtype),
            rotary=body.rotary_emb,
            heads=heads,
            kv_heads=kv_heads,
            head_dim=head_dim,
            epsilon=config.rms_norm_eps,
        )


def _layer(layer: Any, kv_heads: int, head_dim: int, dtype: torch.dtype) -> LayerWeights:
    attention, mlp = layer.self_attn, layer.mlp
    projections = (attention.q_proj, attention.k_proj, attention.v_proj)
    head_norm = _head_norm(attention, head_dim)
    # Qwen3 normalises queries after the projection: there the scale goes into the norm's weight.
    scale = attention.scaling if head_norm is None else 1.0
    qkv = _grouped([projection.weight for projection in projections], kv_heads, head_dim, scale)
    qkv_bias = None
    if attention.q_proj.bias is not None:
        qkv_bias = _grouped([projection.bias for projection in projections], kv_heads, head_dim, scale)
    # (x * norm) @ W = x @ (norm * W): a norm's weights go into the matrices that read it, once instead of per token.
    norm = _scaled_norm(layer.post_attention_layernorm)
    return LayerWeights(
        qkv=_matrix(qkv * _scaled_norm(layer.input_layernorm), dtype),
        qkv_bias=_vector(qkv_bias, dtype),
        head_norm=_vector(head_norm, dtype),
        out=_matrix(attention.o_proj.weight, dtype),
        out_bias=_vector(attention.o_proj.bias, dtype),
        gate=_matrix(mlp.gate_proj.weight.float() * norm, dtype),
        gate_bias=_vector(mlp.gate_proj.bias, dtype),
        up=_matrix(mlp.up_proj.weight.float() * norm, dtype),
        up_bias=_vector(mlp.up_proj.bias, dtype),
        down=_matrix(mlp.down_proj.weight, dtype),
        down_bias=_vector(mlp.down_proj.bias, dtype),
    )


def _grouped(qkv: list[Tensor], kv_heads: int, head_dim: int, scale: float) -> Tensor:
    """Rows of q, k and v as [kv_heads * (group + 2) * head_dim, ...], queries times `scale`, rotated pairs adjacent."""
    # In float32, whatever the weights' type: each folded factor would round them once more.
    q, k, v = (rows.float().unflatten(0, (kv_heads, -1, head_dim)) for rows in qkv)
    grouped: Tensor = torch.cat([_pairs(q) * scale, _pairs(k), v], dim=1)
    return grouped.flatten(0, 2)


def _pairs(heads: Tensor) -> Tensor:
    """The head dimension (the third) reordered as 0, h, 1, h + 1, ... for h = head_dim / 2."""
    halves: Tensor = heads.unflatten(2, (2, -1))
    return halves.transpose(2, 3).flatten(2, 3)


def _head_norm(attention: Any, head_dim: int) -> Tensor | None:
    if not hasattr(attention, "q_norm"):
        return None
    # The norm comes between projection and rotation, so that its weights follow the reordered dimensions.
    queries = _pairs((_scaled_norm(attention.q_norm) * attention.scaling).view(1, 1, -1))
    keys = _pairs(_scaled_norm(attention.k_norm).view(1, 1, -1))
    return torch.cat([queries.expand(1, attention.num_key_value_groups, head_dim), keys], dim=1).squeeze(0)


def _scaled_norm(norm: Any) -> Tensor:
    """Weight of a norm that divides by the length sqrt(sum x^2) where the original divides by sqrt(mean x^2)."""
    weight: Tensor = norm.weight.float()
    return weight * math.sqrt(weight.numel())


def _matrix(weight: Tensor, dtype: torch.dtype) -> Tensor:
    return weight.to(dtype).t().contiguous()


def _vector(vector: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    return None if vector is None else vector.to(dtype)


def rotations(weights: DecoderWeights, length: int) -> Tensor:
    """Rotary factors cos + i sin of positions 0 to length - 1, complex64, shape [length, head_dim / 2]."""
    positions = torch.arange(length).unsqueeze(0)
    with torch.no_grad():
        cosine, sine = weights.rotary(torch.empty(0, dtype=torch.float32), positions)
    # transformers repeats the angles for both halves of a head; one half holds all of them.
    half = weights.head_dim // 2
    return torch.complex(cosine[0, :, :half].contiguous(), sine[0, :, :half].contiguous())

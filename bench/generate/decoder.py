"""The forward pass of a Llama-like decoder on the fast path: prompts first, then one token per row at a time.

Activations are added to in place, and every matrix product goes through `matmul`.
"""

import torch
from torch import Tensor
from torch.nn import functional

from rlvr_bench.generate.decoder_weights import DecoderWeights, LayerWeights
from rlvr_bench.generate.matmul import add_product, product
from rlvr_bench.generate.static_cache import StaticCache


class Decoder:
    """The forward pass of one set of weights; `rotary` are its `rotations` up to the longest row."""

    def __init__(self, weights: DecoderWeights, rotary: Tensor) -> None:
        self.weights = weights
        self.rotary = rotary
        # sqrt(sum x^2 + size * epsilon) is the hypotenuse of the length of x and this constant.
        self.norm_floor = torch.tensor((weights.width * weights.epsilon) ** 0.5)
        self.head_norm_floor = torch.tensor((weights.head_dim * weights.epsilon) ** 0.5)

    def step(self, tokens: Tensor, position: Tensor, cache: StaticCache, place: int) -> Tensor:
        """Logits after one more token per row, shape [rows, vocabulary]."""
        return self._logits(self.forward(self.weights.embedding.index_select(0, tokens), position, cache, place))

    def forward(self, x: Tensor, position: Tensor, cache: StaticCache, place: int) -> Tensor:
        """Turn embeddings of one more token per row, [rows, width], into the last layer's output, in place."""
        rotary = self.rotary.index_select(0, position)[:, None, None]
        for layer, window in zip(self.weights.layers, cache.window(len(x), place), strict=True):
            add_product(x, window.attend(self._project(layer, x, rotary)), layer.out)
            self._finish(layer, x)
        return x

    def prefill(self, prompts: list[list[int]], cache: StaticCache) -> Tensor:
        """Read each distinct prompt once and hand its keys and values to all of its rows.

        Returns the logits after each row's prompt, shape [rows, vocabulary].
        """
        numbers: dict[tuple[int, ...], int] = {}
        owner = torch.tensor([numbers.setdefault(tuple(prompt), len(numbers)) for prompt in prompts])
        count, length = len(numbers), cache.prompt_length
        pads = torch.tensor([length - len(prompt) for prompt in numbers])
        tokens = torch.tensor([[0] * (length - len(prompt)) + list(prompt) for prompt in numbers])
        # Prompts stand flush right, so that a prompt's first token has position 0 wherever its padding ends.
        positions = (torch.arange(length) - pads.unsqueeze(1)).clamp_(min=0)
        rotary = self.rotary[positions].view(count * length, 1, 1, -1)
        mask = _prompt_mask(pads, length)
        x = self.weights.embedding[tokens.flatten()]
        for index, layer in enumerate(self.weights.layers):
            qkv = self._project(layer, x, rotary).unflatten(0, (count, length))
            group = self.weights.group
            keys, values = qkv[..., group, :], qkv[..., group + 1, :]
            cache.fill(index, owner, keys, values)
            attended = functional.scaled_dot_product_attention(
                qkv[..., :group, :].permute(0, 2, 3, 1, 4).flatten(1, 2),
                keys.transpose(1, 2),
                values.transpose(1, 2),
                attn_mask=mask,
                is_causal=mask is None,
                scale=1.0,  # the attention's own is in the weights of the queries
                enable_gqa=group > 1,
            )
            add_product(x, attended.transpose(1, 2).reshape(count * length, -1), layer.out)
            self._finish(layer, x)
        # The output layer is the widest product: it is computed for the last tokens alone.
        return self._logits(x.unflatten(0, (count, length))[:, -1])[owner]

    def _project(self, layer: LayerWeights, x: Tensor, rotary: Tensor) -> Tensor:
        """Rotated queries and keys, and values: [tokens, kv_heads, group + 2, head_dim]; `x` is [tokens, width]."""
        weights = self.weights
        qkv = product(_normalised(x, self.norm_floor), layer.qkv, layer.qkv_bias)
        qkv = qkv.view(x.shape[0], weights.kv_heads, weights.group + 2, weights.head_dim)
        turned = qkv[:, :, : weights.group + 1]
        if layer.head_norm is not None:
            turned.copy_(_normalised(turned, self.head_norm_floor) * layer.head_norm)
        # A rotary embedding turns pairs of numbers, which is a product of complex ones; torch has them in float32 only.
        if turned.dtype == torch.float32:
            turned.view(torch.complex64).mul_(rotary)
        else:
            turned.copy_((turned.float().view(torch.complex64) * rotary).view(torch.float32))
        return qkv

    def _finish(self, layer: LayerWeights, x: Tensor) -> None:
        """Output bias of the attention, then the feed-forward block, added to `x` in place."""
        if layer.out_bias is not None:
            x += layer.out_bias
        normalised = _normalised(x, self.norm_floor)
        gate = functional.silu(product(normalised, layer.gate, layer.gate_bias), inplace=True)
        add_product(x, gate.mul_(product(normalised, layer.up, layer.up_bias)), layer.down)
        if layer.down_bias is not None:
            x += layer.down_bias

    def _logits(self, x: Tensor) -> Tensor:
        return product(self.normalised(x), self.weights.head, self.weights.head_bias).float()

    def normalised(self, x: Tensor) -> Tensor:
        """The last layer's output after the final norm."""
        return _normalised(x, self.norm_floor) * self.weights.norm


def _normalised(x: Tensor, floor: Tensor) -> Tensor:
    """`x` over sqrt(sum x^2 + floor^2) in its last dimension; sqrt(size) is in the weights that follow."""
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
    normalised = x / torch.hypot(length, floor)
    return normalised if normalised.dtype == x.dtype else normalised.to(x.dtype)


def _prompt_mask(pads: Tensor, length: int) -> Tensor | None:
    """What each place of a padded prompt sees, bool [prompts, 1, length, length]; None where plain causal will do."""
    if not bool(pads.any()):
        return None
    places = torch.arange(length)
    # A padded place looks at itself, so that no row of scores is empty.
    visible = (places >= pads.view(-1, 1, 1)) & (places <= places.unsqueeze(1)) | torch.eye(length).bool()
    return visible.unsqueeze(1)

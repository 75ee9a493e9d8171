"""How a token is drawn, shared by all backends.

Inverse-CDF sampling from noise that belongs to the row: the noise of a row is a function of the seed, the prompt, and
the number of the sample within its prompt, so batch composition and order change nothing, and methods that are
compared under one seed are compared under common random numbers. No top-k, no top-p: log-probabilities are those of
the distribution that is sampled.
"""

import hashlib
from array import array
from collections import Counter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Keys = npt.NDArray[np.uint64]


def row_keys(prompts: list[list[int]], seed: int) -> Keys:
    """One 64-bit key per row, shape [rows]: a hash of the seed, the prompt, and its occurrence number in `prompts`."""
    counts: Counter[bytes] = Counter()
    keys = np.empty(len(prompts), dtype=np.uint64)
    for row, prompt in enumerate(prompts):
        tokens = array("q", prompt).tobytes()
        head = f"{seed}/{counts[tokens]}/".encode()
        counts[tokens] += 1
        keys[row] = int.from_bytes(hashlib.blake2b(head + tokens, digest_size=8).digest(), "little")
    return keys


def uniforms(keys: Keys, length: int) -> Tensor:
    """Uniform numbers in (0, 1], shape [rows, length], float32; column t is the noise of the t-th new token.

    SplitMix64 used as a counter-based generator (Steele, Lea and Flood, "Fast splittable pseudorandom number
    generators", OOPSLA 2014): its t-th output for a key needs no earlier one.
    """
    steps = np.arange(1, length + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = keys[:, None] + steps[None, :]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    # 24 bits are what float32 holds exactly; zero is left out so that a token of probability zero is never drawn.
    return torch.from_numpy(((z >> np.uint64(40)) + np.uint64(1)).astype(np.float32) * np.float32(2.0**-24))


class NextTokens(NamedTuple):
    """One token per row, each of shape [rows]: tokens (int64), their probabilities and the entropies in nats."""

    tokens: Tensor
    probabilities: Tensor
    entropies: Tensor


def sample_tokens(logits: Tensor, temperature: float, noise: Tensor) -> NextTokens:
    """Draw the next token of each row.

    Args:
        logits: float32, shape [rows, vocabulary].
        temperature: 0 takes the most likely token; its probability and the entropy are those at temperature 1.
        noise: uniform numbers in (0, 1], shape [rows].
    """
    if temperature == 0.0:
        tokens = logits.argmax(dim=-1, keepdim=True)
        probabilities = torch.softmax(logits, dim=-1)
    else:
        probabilities = torch.softmax(logits / temperature, dim=-1)
        cumulative = probabilities.cumsum(dim=-1)
        # Scaled to the last value, which rounding leaves just off 1: no draw falls beyond the vocabulary.
        tokens = torch.searchsorted(cumulative, noise.unsqueeze(1) * cumulative[:, -1:])
    entropies = torch.special.entr(probabilities).sum(dim=-1)
    return NextTokens(tokens.squeeze(1), probabilities.gather(1, tokens).squeeze(1), entropies)

"""Looking on while completions are decoded: reading the cache between two tokens, and stopping rows.

What is read off and which rows are stopped is the monitor's business (`thinking`). Reading never changes what is
generated: what it writes lies behind the newest token, where the next one is written.
"""

from collections.abc import Sequence
from typing import Protocol, Self

from torch import Tensor

from rlvr_bench.generate.decoder_weights import DecoderWeights


class CacheView(Protocol):
    """Running rows between two tokens, with what the cache holds of them.

    `rows`: places in the call's prompts, shape [rows]; `fed`: tokens of a completion that the cache holds.
    """

    @property
    def rows(self) -> Tensor: ...

    @property
    def fed(self) -> int: ...

    def read(self, probe: DecoderWeights, embedding: Tensor, count: int) -> Tensor:
        """Final hidden state of the last of `count` probe tokens that follow on the cached ones: [rows, width].

        Args:
            probe: the weights that the probe tokens run through.
            embedding: of every probe token, shape [width].
        """
        ...

    def joined(self, others: Sequence[Self]) -> Self:
        """These rows and those of others, whatever each has read, as one view that is read at once; a copy."""
        ...


class Monitor(Protocol):
    """Sees every row before each token is drawn, and once more when it has ended.

    `places`: places of the cache that are kept free behind the last token, the number of probe tokens.
    """

    places: int

    def running(self, view: CacheView, logits: Tensor) -> Tensor:
        """Which rows go on, bool [rows]; `logits` [rows, vocabulary] are what their next token is drawn from."""
        ...

    def ended(self, view: CacheView) -> None:
        """Told of rows whose last token (EOS, or the one at the limit) was drawn; the cache holds those before it.

        The view is a copy that may be kept and read later.
        """
        ...

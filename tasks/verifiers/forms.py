r"""What an answer is: one normal form per kind of answer, whatever way it is written.

| kind | normal form | written, for example | what is not the same |
|---|---|---|---|
| integer, decimal | `Number`: an exact fraction | `1,080`, `10\,080`, `.5`, `2^{10}` | another value or sign |
| fraction, mixed | `Number` | `\frac12`, `2/4`, `2 1/2`, `\frac{5}{2}` | another value or sign |
| percent | `Number`, percent | `50\%`, `50 percent`; of the same value is `0.5` | `0.5\%` for `50\%` |
| money, unit | `Number` | `\$18.90`, `864 \text{ inches}^2`, `90^\circ`; units are not compared | |
| base | `Based`: digits and base | `204_5`, `204_{\text{five}}`; the base may be left out | `204_6` |
| time | `Time`: minutes, half of the day | `6:00 \text{ PM}`, `18:00`, `noon` | `6:00 AM` |
| choice | `Choice`: a letter | `\text{(C)}`, `C`, `Option C` | another letter |
| text | `Text`: words, no case | `\text{Evelyn}`, `evelyn.` | other words |
| tuple, point | `Group` with round brackets, in order | `(3, \frac{\pi}{2})`, `x = 3, y = 5` | another order |
| set, list | `Group`, any order | `\{1, 2\}`, `2, 1`, `x = 1 \text{ or } x = 2`, `1 \pm \sqrt{5}` | a tuple for a set |
| interval | `Group` with its brackets | `(3,4]`, `3 < x \le 4`, `x \in (3,4]` | another bracket, also at infinity |
| union | `Union` of groups, any order | `(-\infty,2) \cup (3,\infty)` | |
| matrix | `Matrix`: rows | `\begin{pmatrix} 1 & 2 \end{pmatrix}`; `bmatrix` too | another shape or place |
| sequence | `Group` with `\ldots` in it, in order | `1, 2, \ldots, 10` | `1, 2, 10` |
| everything else | `Expression`, for algebra | `3\sqrt{13}`, `6 - 5i`, `y = 2x+3` | what algebra tells apart |

`normal_form` reads an answer into its form, `comparison` holds two forms side by side.
"""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Number:
    """An exact value; of "50%" it is 50. `latex` is how it was written, without what is dropped."""

    value: Fraction
    percent: bool
    latex: str


@dataclass(frozen=True, slots=True)
class Based:
    """A number in a base: its digits as written, small letters."""

    digits: str
    base: int


@dataclass(frozen=True, slots=True)
class Time:
    """Minutes after twelve, 0 to 719, and the half of the day if it is said."""

    minutes: int
    half: str | None


@dataclass(frozen=True, slots=True)
class Choice:
    """An option of a multiple-choice question, a capital letter."""

    letter: str


@dataclass(frozen=True, slots=True)
class Text:
    """Words in small letters, one space between them."""

    words: str


@dataclass(frozen=True, slots=True)
class Expression:
    """Anything that algebra has to decide; of "y = 2x + 3" the right side, and all of it as `equation`."""

    latex: str
    equation: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Several answers. Brackets are `(`, `[`, `{` or nothing; `names` are those of "x = 3, y = 5", in order."""

    left: str
    items: "tuple[Form, ...]"
    right: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Union:
    """Intervals that are joined."""

    parts: "tuple[Form, ...]"


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of entries, as many in each."""

    rows: "tuple[tuple[Form, ...], ...]"


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Sides of an equation that are different numbers: "4 = 5". Equal to nothing."""


Form = Number | Based | Time | Choice | Text | Expression | Group | Union | Matrix | Contradiction

DOTS = Expression("\\ldots")

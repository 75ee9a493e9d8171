"""Numbers in words: "eighteen", "twenty-one", "a hundred and five thousand". English, up to trillions."""

import re

_SMALL = re.findall(
    "[a-z]+",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen",
)
_TENS = re.findall("[a-z]+", "twenty thirty forty fifty sixty seventy eighty ninety")
SCALES = {
    "thousand": 10**3,
    "lakh": 10**5,
    "million": 10**6,
    "crore": 10**7,
    "billion": 10**9,
    "trillion": 10**12,
}
_PART_NAMES = {3: "third", 4: "quarter", 5: "fifth", 6: "sixth", 7: "seventh", 8: "eighth", 9: "ninth", 10: "tenth"}
_VALUES = {word: value for value, word in enumerate(_SMALL)} | {word: 10 * ten for ten, word in enumerate(_TENS, 2)}

_WORD = "|".join(sorted([*_VALUES, *SCALES, "hundred"], key=len, reverse=True))
_FIRST = "|".join(sorted(_VALUES, key=len, reverse=True))
PATTERN = rf"(?:an? (?:hundred|{'|'.join(SCALES)})|(?:{_FIRST}))(?:[\s-](?:and\s)?(?:{_WORD})){{0,12}}(?![A-Za-z])"
"""Matches a run of number words; whether they make a number is for `value` to say."""

PARTS = {
    "half": 2,
    "halves": 2,
    "fourth": 4,
    "fourths": 4,
    **{f"{name}{plural}": size for size, name in _PART_NAMES.items() for plural in ("", "s")},
}
"""What "two thirds" is divided by. A second is a time."""


def value(words: str) -> int | None:
    """The number that `words` say; None if they do not make one ("five six")."""
    total, group, room = 0, 0, 10**15
    for word in re.findall(r"[a-z]+", re.sub(r"^an?\b", "one", words.lower())):
        if word == "and":
            continue
        if word in SCALES:
            if not group or SCALES[word] >= room:
                return None
            total, group, room = total + group * SCALES[word], 0, SCALES[word]
        elif word == "hundred":
            if not 0 < group < 100:
                return None
            group *= 100
        elif _joins(group % 100, _VALUES[word]):
            group += _VALUES[word]
        else:
            return None
    return total + group


def _joins(below_hundred: int, number: int) -> bool:
    """Whether a number below a hundred may follow: nothing stands there yet, or a ten and then its unit."""
    return below_hundred == 0 or (below_hundred >= 20 and below_hundred % 10 == 0 and 0 < number < 10)

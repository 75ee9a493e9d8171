r"""Whether the words around a value state it, or say something else of it: a bound, a denial, a part, one of several.

"less than 204", "not $18$", "either 5 or 18", "half of 18", "18 or more" state none of these values; "about 18",
"exactly 18", "18, not 17" do.
"""

import re

_COMPARED = (
    r"(?<!no other )(?<!none other )than|under|over|above|below|beyond|exceed(?:s|ed|ing)?|least|most|up to|to the"
    r"|bounded by|(?:nowhere|not anywhere) near|far from"
)
_DENIED = (
    r"not|never|nor|n't|cannot|(?:no|any) (?:longer|more|less|fewer)|(?:anything|everything|all) but|instead of"
    r"|determined? from|different from"
)
_FILLER = r"(?:(?:be|equals?|to|exactly|simply|just|really|necessarily|always|only|a|an|the)\s+){0,4}"
_CHANGED = (
    r"half|twice|double|triple|thrice|root|times|minus|plus|(?<!given )(?<!represented )(?<!denoted )by"
    r"|(?:multiple|divisor|square|cube|third|quarter|fifth|sixth|tenth|fraction)s? of"
)
_NAMED = r"step|part|case|problem|question|section|exercise|example|equation|method|option|point"
_OTHER_VALUE = re.compile(
    rf"(?:(?:\b|(?=n't))(?:{_DENIED})\s+{_FILLER}|\b(?:{_COMPARED}|{_CHANGED}|{_NAMED})\s+(?:of\s+|the\s+)*)"
    r"[$#\"'*(]{0,3}$",
    re.IGNORECASE,
)
_RANGE = r"(?:between|either|neither|(?:in|within) the range|ranges? from|(?:any|some)where from)"
_ONE_OF = re.compile(
    rf"\b{_RANGE}\s+(?:of\s+|from\s+)?(?:(?:[^.;!?\n]|\.(?=[0-9])){{1,40}}?(?:\s(?:and|or|to)\s+|-))?[$\"'*(]{{0,3}}$"
    r"|[0-9][$%]?\s+or\s+[$\"'*(]{0,3}$",
    re.IGNORECASE,
)
_RELATION = re.compile(
    r"(?:^[\s*$]*|(?<![-<\w/])[\w.)}\]$|]{1,30}\s{0,2})"  # not the end of a tag, nor an arrow
    r"(?:(?<![-=])[<>]=?|!=|\\(?:le|ge|lt|gt|neq?)(?![a-z]))\s{0,2}$"
)
_BEHIND = re.compile(
    r"\s+(?:at\s(?:least|most)\b|(?:and|or)\s(?:more|less|fewer|above|below|up|over|under|beyond|greater|higher|lower)\b"
    r"|(?:more|less|fewer|greater|larger|smaller)\s+than\s+[-$\\(]{0,2}[0-9]"
    r"|times\s+(?:as|more|less|the)\b)"
    r"|\s*\\?(?:%|percent)\s+of\s+[-$\\(]{0,2}[0-9]"
)
_NOTHING = re.compile(
    r"\W{0,5}(?:no (?:real |integer |such |valid )?(?:solutions?|answers?|values?)|undefined|unknown|unclear|impossible"
    r"|indeterminate|(?:cannot|can't|can not|could not) be)\b",
    re.IGNORECASE,
)
_FIRST_WORDS = re.compile(r"\s*(?:[A-Za-z']{2,20}\s+){1,6}|\s*(?:[<>]=?|\\(?:le|ge|ne)(?![a-z]))\s*")
_WINDOW = 160


def says_otherwise(before: str) -> bool:
    """Whether the end of `before` makes another thing of the value behind it: "less than", "x \\ne", "either 5 or"."""
    if _NOTHING.match(before):
        return True
    before = before[-_WINDOW:]
    return any(pattern.search(before) is not None for pattern in (_OTHER_VALUE, _ONE_OF, _RELATION))


def begins_otherwise(answer: str) -> bool:
    """Whether an answer begins with words that make another thing of the rest: "not 5", "less than x = 5", "< 5"."""
    words = _FIRST_WORDS.match(answer)
    return words is not None and says_otherwise(words[0])


def goes_on_otherwise(rest: str) -> bool:
    """Whether `rest`, which follows a value, makes another thing of it: " or more", " more than 5", "% of 50"."""
    return _BEHIND.match(rest) is not None

r"""What may follow a number without changing its value: a unit, punctuation, words.

`18 dollars`, `12 m^2`, `7 km/h`, `90°`, `50%` end a value; `18\pi`, `18^2`, `5-10`, `18 or 5`, `3x`, `2(3+4)` do not.
"""

import re

from rlvr_bench.tasks.verifiers.claims import goes_on_otherwise

_READ = 200
"""Characters behind a number that are looked at."""

_LETTERS = "mgshlLWVJNKCFA"
_SHORT = (
    "Rs|km/h|m/s|mph|kph|fps|psi|rpm|deg|rad|cal|min|sec|hrs|lbs|mins|secs|yrs|pts|pcs|usd|USD|EUR|GBP|GB|MB|KB|TB|kB|Hz"
    f"|kWh|Wh|kJ|MJ|kN|kPa|Pa|kcal|MHz|GHz|sq|cu|qt|pt|gal|wk|wks|mo|yr|pc|kW|cm|mm|km|dm|nm|ft|in|mi|yd|kg|mg|lb|oz|ml|mL|hr|ms|am|pm|AM|PM|st|nd|rd|th|ha|cc|[{_LETTERS}]"
)
_POWER = r"(?:\s?\^\s?\{?\s?-?[1-4]\s?\}?)?"
_GLUED = re.compile(rf"(?:(?:{_SHORT})|[A-Za-z]{{4,30}})(?![A-Za-z]){_POWER}")
_ARGUMENT = r"\s?(?:[({\\0-9]|[a-z](?![A-Za-z]))"
VALUE_WORD = (
    r"(?:(?:pi|squared|cubed|factorial|times|plus|minus|over|divided|multiplied|choose|modulo|mod"
    rf"|(?:hundred|thousand|million|billion|trillion|lakh|crore)s?|mil|mn|bn|root|sqrt)(?![A-Za-z])|(?:ln|log|sin|cos|tan|exp){_ARGUMENT}"
    r"|to\s+the\s+(?:power|[0-9]|second|third|fourth|fifth|nth))"
)
"""Words that make another value of the number that they follow."""

_LETTER = rf"(?!o'clock|[{_LETTERS}](?![A-Za-z])|a\s+[a-z]{{2}}|I\s+[a-z]{{2}})[A-Za-z](?![A-Za-z])"
_CHANGED = re.compile(
    rf"""
      [+<>=|]\s?[\w(\\.$-]       # a sum, a comparison, an equation
    | [+]\s*$                    # "18+": that and more
    | \s+[<>]=?\s?[\w(\\.$-]     # a comparison
    | '\s?[0-9]                  # feet and inches
    | [_^*]\s?[\w({{\\-]         # a base, a power, a product
    | [({{]\s?(?:[-0-9\\]|[A-Za-z]\s?[-+*/^])  # a product, when nothing parts the two
    | \s*\\(?!%|ldots)[A-Za-z]+  # any command: \pi, \sqrt, \times
    | \s*(?:\\ldots|\.{{2,3}})\s?-?[0-9]  # a range
    | (?:h|hr|hrs|min|d)\s?[0-9]  # hours and minutes
    | (?:m|ft|lb|lbs)\s?[0-9]+\s?(?:s|in|oz|cm)  # feet and inches
    | \s*-(?!--?\s|-[A-Za-z])\s?[-0-9.$(\\{{]  # a range, a difference; a dash is none
    | \s*-\s?[A-Za-z](?![A-Za-z])
    | \s*/\s?[-0-9(\\{{]
    | [CP]\s?[0-9]               # combinations, permutations
    | \s*[+*^]\s?[\w({{\\]
    | \s*:\s?[0-9]               # a time, a ratio
    | \s+\.?[0-9]                # a second number
    | \s*{_LETTER}               # a variable
    | \s*{VALUE_WORD}
    | \s*and\s+(?:a|one|two|three)\s
    """,
    re.VERBOSE,
)
_WORDS = r"(?:\s{0,2}[A-Za-z%°€£¢][A-Za-z%°.'/-]{0,20}(?![\w])){0,3}"
_NEXT = r"[-+$€£(]{0,3}\s?(?:[0-9.]|\\[a-z]|[A-Za-z]\s?=|(?:one|two|three|four|five|six|seven|eight|nine|ten)\b)"
_LIST = re.compile(
    rf"{_WORDS}\s{{0,2}}[,;]?\s{{0,2}}(?:\b(?:and|or|to|through|vs|versus)\s|&\s?){{1,2}}{_NEXT}"
    r"|\s{0,2}[,;]\s{0,2}(?:\.{3}|[-+$€£]{0,2}[0-9][0-9.,/]{0,30}\s{0,2}(?:$|[,;.)\]}]|and\b|or\b)|\\ldots|[A-Za-z]\s?=)"
    r"|\s{0,2}[,;]?\s{0,2}or\s(?!so\b)"
    r"|\s(?:feet|foot|ft|hours?|minutes?|pounds?|lbs?|yards?|meters?|dollars?|weeks?|days?|years?|°)\s{1,2}[0-9]"
)
_UNIT = re.compile(
    r"(?:\s?(?:%|°\s?[CF]?(?![a-z])|[€£¥₹₩¢]|'{1,2}|\"))?"
    rf"(?:[\s-]{{0,3}}(?:per\s|/\s?)?(?:{_SHORT}|[A-Za-z][A-Za-z.'-]{{2,30}}|of|in|at|on)(?![A-Za-z]){_POWER}){{0,8}}"
    r"\s*(?:\([A-Za-z][A-Za-z ]{0,60}\))?[\s.,;:*_'\"`)\]}]*"
)


def ends_value(rest: str, loosely: bool) -> bool:
    """Whether a number that `rest` follows is all of the value.

    `loosely`: `rest` is the rest of a sentence, of which only the beginning matters; else it has to be a unit and
    nothing more.
    """
    rest = rest[:_READ]
    if not rest:
        return True
    if rest[0].isalpha() and not _GLUED.match(rest):
        return False
    if _CHANGED.match(rest) or _LIST.match(rest) or goes_on_otherwise(rest):
        return False
    return loosely or _UNIT.fullmatch(rest) is not None

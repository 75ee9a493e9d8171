r"""The names that answers are given to: `x`, `f(3)`, `\angle ABC`, "Area", left of an equals sign."""

import re

SYMBOL = r"(?:\\[A-Za-z]+|[A-Za-z])(?:_\{?\w{1,3}\}?)?'?"
_ARGUMENTS = r"(?:\s?\([^()=]{1,40}\))?"
NAME = re.compile(
    rf"\s*(?P<name>{SYMBOL}(?:\s?\^\s?\{{?-1\}}?)?{_ARGUMENTS}"
    r"|(?:m\s?)?(?:\\(?:angle|triangle|overline)\s?)?\{?[A-Za-z][A-Za-z ]{1,30}\}?)\s*"
)
EQUALS = re.compile(r"(?<![<>!=:])=(?!=)")

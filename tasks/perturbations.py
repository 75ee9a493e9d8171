"""Near answers that are wrong, by what was changed: value, sign, order, bracket. Nothing here knows of verifiers.

Only changes that surely make a different answer are given: where that cannot be seen from the text, as for the sign of
an answer with a plus-minus in it, there is none of that kind.
"""

import re

from rlvr_bench.tasks.verifiers.numerals import canonical, parse_number

_OPENING = r"(?P<left>\\left\s?)?(?P<open>[(\[])"
_CLOSING = r"(?:\\right\s?)?(?P<close>[)\]])"
_BRACKETED = re.compile(rf"\s*{_OPENING}(?P<inside>.*?){_CLOSING}\s*", re.DOTALL)
_INFINITE = re.compile(r"[-+]?\s*\\?(?:infty|infinity)")
_SIGNLESS = re.compile(r"\\pm|\\mp|±|=|<|>|\\[lg]eq?\b|\\text|\\mbox|\\infty|\\cup|\\emptyset|\\begin|[,;\[\]|]")
"""What keeps a minus sign before the whole from making another answer for certain."""

_OPTION = re.compile(r"(?P<before>(?:\\(?:text|textbf|mathrm|mbox)\s?\{)?\(?)(?P<letter>[A-Ya-y])(?P<after>\)?\}?)")


def changed(answer: str) -> str:
    """A near answer that is wrong: a number plus one, the next option, another digit in an expression."""
    number = parse_number(answer)
    if number is not None:
        return canonical(number + 1)
    option = _OPTION.fullmatch(answer)
    if option:
        return option["before"] + chr(ord(option["letter"]) + 1) + option["after"]
    if re.search(r"[0-9]", answer):
        return re.sub(r"[0-9]", lambda digit: str((int(digit[0]) + 1) % 10), answer, count=1)
    return f"{answer} + 1"


def perturbed(answer: str) -> dict[str, str]:
    """Wrong answers by what was changed: "value" always; "sign", "order" and "bracket" where the answer has one."""
    perturbations = {"value": changed(answer), "sign": _other_sign(answer)}
    components = _components(answer)
    if components is not None:
        perturbations |= {"order": _other_order(answer, components), "bracket": _other_bracket(answer, components)}
    return {kind: text for kind, text in perturbations.items() if text is not None}


def _other_sign(answer: str) -> str | None:
    number = parse_number(answer)
    if number is not None:
        return canonical(-number) if number else None
    mathematical = re.search(r"[0-9\\^+*/]", answer) and not re.search(r"(?<![\\A-Za-z])[A-Za-z]{2,}", answer)
    if not mathematical or _SIGNLESS.search(answer) or _components(answer) is not None:
        return None
    return rf"-\left({answer}\right)"


def _components(answer: str) -> list[str] | None:
    """The components of a tuple, a point or an interval; None for anything else, also for unions of intervals."""
    match = _BRACKETED.fullmatch(answer)
    if match is None:
        return None
    components, depth = [""], 0
    for sign in match["inside"]:
        depth += (sign in "([{") - (sign in ")]}")
        if depth < 0:
            return None
        if sign == "," and depth == 0:
            components.append("")
        else:
            components[-1] += sign
    thousands = all(re.fullmatch(r"\s*[0-9]{1,3}", part) for part in components) and " " not in match["inside"]
    return components if len(components) > 1 and depth == 0 and not (thousands and _is_grouped(components)) else None


def _is_grouped(components: list[str]) -> bool:
    """Whether "(1,080)" is a number with a comma rather than a pair."""
    return all(len(part) == 3 for part in components[1:])


def _other_order(answer: str, components: list[str]) -> str | None:
    turned = components[::-1]
    if [part.split() for part in turned] == [part.split() for part in components]:
        return None
    return answer.replace(",".join(components), ",".join(turned), 1)


def _other_bracket(answer: str, components: list[str]) -> str | None:
    """An interval with one end opened or closed, at an end that is not infinite."""
    match = _BRACKETED.fullmatch(answer)
    if match is None or len(components) != 2:
        return None
    infinite = [bool(_INFINITE.search(part)) for part in components]
    if match["open"] + match["close"] in ("()", "[]") and not any(infinite):
        return None  # may be a point or a vector, of which brackets say nothing
    end, other = ("close", {")": "]", "]": ")"}) if infinite[0] else ("open", {"(": "[", "[": "("})
    if all(infinite):
        return None
    return answer[: match.start(end)] + other[match[end]] + answer[match.end(end) :]

r"""Gold answers written otherwise, and gold answers spoiled: made from their LaTeX as text.

A rewriting gives the same value by construction, a perturbation surely another; either gives None where it does not
apply. Only `perturbed` reads numbers with the reader that is tested. What they show is how a verifier reads, not what
language models write.
"""

import re
from collections.abc import Callable
from math import gcd

from rlvr_bench.tasks.perturbations import perturbed

Change = Callable[[str], str | None]

_INTEGER = re.compile(r"-?[0-9]+")
_FRACTION = re.compile(r"(-?)\\d?frac\{?([0-9]+)\}?\{?([0-9]+)\}?")
_ROOT = re.compile(r"([0-9]+)\\sqrt\{([0-9]+)\}")
_TERM = r"[0-9]*(?:\\sqrt\{[0-9]+\}|\\pi|[a-z](?:\^\{?[0-9]\}?)?)?"
_TEXT = re.compile(r"\\(?:text|mathrm|mbox|textbf)")
_NOT_SCALAR = re.compile(
    r"[,;=<>|:_]|\\(?:text|mathrm|mbox|pm|begin|cup|in\b|le|ge|infty|%|\$|circ|emptyset)|[%$]|\b[A-Z]\b"
)


def scalar(gold: str) -> bool:
    """Whether arithmetic can be done with it as it stands: no text, list, relation, interval, unit or matrix."""
    return _NOT_SCALAR.search(gold) is None and not gold.startswith(("(", "[", "\\left", "\\{"))


def _if_changed(gold: str, text: str) -> str | None:
    return text if text != gold else None


def _integer(gold: str) -> int | None:
    return int(gold) if _INTEGER.fullmatch(gold) else None


def _of_integer(form: Callable[[int], str]) -> Change:
    def rewrite(gold: str) -> str | None:
        number = _integer(gold)
        return None if number is None else form(number)

    return rewrite


def _spaced(gold: str) -> str | None:
    return None if _TEXT.search(gold) else re.sub(r"([-+=,()])", r" \1 ", gold)


def _of_fraction(form: Callable[[str, int, int], str]) -> Change:
    def rewrite(gold: str) -> str | None:
        found = _FRACTION.fullmatch(gold)
        return form(found[1], int(found[2]), int(found[3])) if found else None

    return rewrite


def _swapped(gold: str) -> str | None:
    """The terms of a sum of two, such as 3 + 2\\sqrt{5}, the other way round."""
    found = re.fullmatch(rf"({_TERM})\s?\+\s?({_TERM})", gold)
    return f"{found[2]} + {found[1]}" if found and found[1] and found[2] else None


def _under_one_root(gold: str) -> str | None:
    found = _ROOT.fullmatch(gold)
    return rf"\sqrt{{{int(found[1]) ** 2 * int(found[2])}}}" if found else None


def _listed_backwards(gold: str) -> str | None:
    parts = gold.split(",")
    plain = len(parts) > 1 and not re.search(r"[()\[\]{}=!]|ldots|[0-9],[0-9]{3}\b", gold)
    return ", ".join(part.strip() for part in reversed(parts)) if plain else None


def _named(gold: str) -> str | None:
    name = next(letter for letter in "wuvq" if letter not in gold)
    return f"{name} = {gold}" if scalar(gold) else None


REWRITINGS: dict[str, Change] = {
    "as it is": lambda gold: gold,
    "in braces": lambda gold: f"{{{gold}}}",
    "displaystyle": lambda gold: rf"\displaystyle {gold}",
    "thin spaces": lambda gold: rf"\,{gold}\,",
    "full stop": lambda gold: f"{gold}.",
    "dollar signs": lambda gold: None if "$" in gold else f"${gold}$",
    "white space": _spaced,
    "no white space": lambda gold: (
        None if _TEXT.search(gold) or re.search(r"\\[a-z]+ [a-z]", gold) else _if_changed(gold, gold.replace(" ", ""))
    ),
    "dfrac": lambda gold: _if_changed(gold, re.sub(r"\\frac(?![a-z])", r"\\dfrac", gold)),
    "tfrac": lambda gold: _if_changed(gold, re.sub(r"\\frac(?![a-z])", r"\\tfrac", gold)),
    "plain brackets": lambda gold: _if_changed(gold, re.sub(r"\\(?:left|right)\s?(?=[()\[\]])", "", gold)),
    "sized brackets": lambda gold: (
        None
        if "\\left" in gold or not re.fullmatch(r"[(\[][^()\[\]]*[)\]]", gold)
        else (rf"\left{gold[:-1]}\right{gold[-1]}")
    ),
    "Unicode pi": lambda gold: _if_changed(gold, re.sub(r"\\pi(?![a-z])", "π", gold)),
    "Unicode minus": lambda gold: _if_changed(gold, gold.replace("-", "\u2212")) if not _TEXT.search(gold) else None,
    "bold": lambda gold: rf"\boldsymbol{{{gold}}}" if scalar(gold) else None,
    "named": _named,
    "decimal": _of_integer(lambda number: f"{number}.0"),
    "thousands": _of_integer(lambda number: f"{number:,}"),
    "thousands in LaTeX": _of_integer(lambda number: f"{number:,}".replace(",", "{,}")),
    "doubled fraction": _of_integer(lambda number: rf"\frac{{{2 * number}}}{{2}}"),
    "unit": _of_integer(lambda number: rf"{number} \text{{ units}}"),
    "expanded": _of_fraction(lambda sign, top, bottom: rf"{sign}\frac{{{3 * top}}}{{{3 * bottom}}}"),
    "slash": _of_fraction(lambda sign, top, bottom: f"{sign}{top}/{bottom}"),
    "mixed": _of_fraction(
        lambda sign, top, bottom: (
            rf"{sign}{top // bottom}\frac{{{top % bottom}}}{{{bottom}}}"
            if top > bottom and top % bottom and gcd(top, bottom) == 1
            else rf"{sign}\frac{{{5 * top}}}{{{5 * bottom}}}"
        )
    ),
    "sign within": _of_fraction(lambda sign, top, bottom: rf"\frac{{{sign}{top}}}{{{bottom}}}"),
    "terms swapped": _swapped,
    "under one root": _under_one_root,
    "power for root": lambda gold: (
        _if_changed(gold, re.sub(r"\\sqrt\{([0-9]+)\}", r"{\1}^{1/2}", gold))
        if scalar(gold) and "sqrt[" not in gold
        else None
    ),
    "listed backwards": _listed_backwards,
    "no money sign": lambda gold: _if_changed(gold, gold.removeprefix(r"\$")),
    "half of double": lambda gold: rf"\frac{{2({gold})}}{{2}}" if scalar(gold) else None,
    "plus zero": lambda gold: f"{gold} + 0" if scalar(gold) and _integer(gold) is None else None,
}


def _last_digit(gold: str) -> str | None:
    places = [place.start() for place in re.finditer(r"[0-9]", gold)]
    if not places or _TEXT.search(gold):
        return None
    place = places[-1]
    return gold[:place] + str((int(gold[place]) + 1) % 10) + gold[place + 1 :]


def _other_words(gold: str) -> str | None:
    found = re.fullmatch(r"(\\(?:text|mathrm)\{\(?)([A-Za-z ]+)(\)?\})", gold)
    return f"{found[1]}{found[2]}x{found[3]}" if found else None


def _shorter(gold: str) -> str | None:
    """A tuple or list without its last component."""
    if re.search(r"[0-9],[0-9]{3}\b|\\!", gold) or "," not in gold:
        return None
    head, _, tail = gold.rpartition(",")
    closing = re.search(r"(\\right\s?[)\]]|[)\]]|\\\})$", tail)
    return head + (closing[0] if closing else "")


def _of_perturbed(what: str) -> Change:
    return lambda gold: perturbed(gold).get(what)


PERTURBATIONS: dict[str, Change] = {
    **{what: _of_perturbed(what) for what in ("value", "sign", "order", "bracket")},
    "last digit": _last_digit,
    "one more": lambda gold: None if re.search(r"\([A-Z]\)", gold) else f"{gold}, 97",  # "(C), 97" is option C
    "one less": _shorter,
    "as a pair": lambda gold: None if re.search(r"\([A-Z]\)", gold) else f"({gold}, 0)",
    "other options": lambda gold: _if_changed(gold, re.sub(r"(?<=\()[A-Z](?=\))", lambda m: chr(ord(m[0]) + 2), gold)),
    "no option": lambda gold: _if_changed(gold, re.sub(r"\([A-Z]\)", "none of these", gold)),
    "first digit": lambda gold: (
        None
        if _TEXT.search(gold)
        else _if_changed(gold, re.sub(r"[1-9]", lambda digit: str(int(digit[0]) % 9 + 1), gold, count=1))
    ),
    "plus for minus": lambda gold: None if _TEXT.search(gold) else _if_changed(gold, gold.replace("-", "+", 1)),
    "twice": lambda gold: f"2({gold})" if scalar(gold) and gold != "0" else None,
    "plus one": lambda gold: f"{gold} + 1" if scalar(gold) else None,
    "times pi": lambda gold: rf"{gold}\pi" if scalar(gold) and gold != "0" and "+" not in gold else None,
    "root": lambda gold: rf"\sqrt{{{gold}}}" if scalar(gold) and gold not in ("0", "1") else None,
    "other base": lambda gold: _if_changed(gold, re.sub(r"_\{?([0-9])\}?$", lambda m: f"_{int(m[1]) + 1}", gold)),
    "other words": _other_words,
    "added word": lambda gold: rf"\text{{not }}{gold}" if _TEXT.match(gold) else None,
    "as an equation": lambda gold: f"{gold} = 97" if scalar(gold) and gold != "97" else None,
}


def written(gold: str, changes: dict[str, Change]) -> dict[str, str]:
    """The gold answer by every change that applies, each text once."""
    found = {name: change(gold) for name, change in changes.items()}
    by_text = {text: name for name, text in found.items() if text is not None}
    return {name: text for text, name in by_text.items()}

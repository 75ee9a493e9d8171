r"""Wrong answers as language models make them, from the gold answer's text; None where one does not apply."""

import re
from fractions import Fraction

from gold_kinds import (
    BASED,
    COMPLEX,
    DECIMAL,
    DEGREES,
    MATRIX,
    MONEY,
    NUMBERS,
    OPTION,
    PI,
    ROOT,
    WORD,
    Change,
    fraction,
    integer,
    interval,
    matched,
    number_text,
    point,
    rounded,
)
from model_forms import FORMS


def _flipped(left: str) -> str:
    return {"(": "[", "[": "(", ")": "]", "]": ")"}[left]


def _bracket(left: str, low: str, high: str, right: str) -> str:
    return f"{left}{low}, {high}{_flipped(right)}" if "infty" in low else f"{_flipped(left)}{low}, {high}{right}"


def _infinite_closed(left: str, low: str, high: str, right: str) -> str | None:
    if "infty" in high:
        return f"{left}{low}, {high}]"
    return f"[{low}, {high}{right}" if "infty" in low else None


def _relation_turned(left: str, low: str, high: str, right: str) -> str | None:
    if low == "-\\infty" and high != "\\infty":
        return f"x {'<' if right == ']' else chr(92) + 'le'} {high}"
    return f"x {'>' if left == '[' else chr(92) + 'ge'} {low}" if high == "\\infty" and low != "-\\infty" else None


def _cut_decimal(sign: str, top: int, bottom: int) -> str | None:
    return f"{sign}{rounded(top / bottom)}" if number_text(Fraction(top, bottom)) is None else None


def _swapped_rows(found: re.Match[str]) -> str | None:
    rows = [row.strip() for row in found["rows"].split(r"\\")]
    turned = r" \\ ".join(reversed(rows))
    return rf"\begin{{pmatrix}} {turned} \end{{pmatrix}}" if rows[::-1] != rows else None


def _other_sign(coordinate: str) -> str:
    return coordinate.removeprefix("-") if coordinate.startswith("-") else f"-{coordinate}"


MISTAKES: dict[str, Change] = {
    "one more": integer(lambda n: str(n + 1)),
    "one less": integer(lambda n: str(n - 1)),
    "other sign": integer(lambda n: str(-n) if n else None),
    "ten times": integer(lambda n: f"{n}0" if n else None),
    "tenth": integer(lambda n: f"{n}"[:-1] if abs(n) > 9 else None),
    "point inside": integer(lambda n: f"{n}"[:-1] + "." + f"{n}"[-1] if abs(n) > 9 else None),
    "thousand": integer(lambda n: rf"{n} \text{{ thousand}}" if n else None),
    "million": integer(lambda n: f"{n} million" if n else None),
    "digits swapped": integer(
        lambda n: ((t := str(n)[:-2] + str(n)[-1] + str(n)[-2]) != str(n) and t) or None if n > 9 else None
    ),
    "squared": integer(lambda n: f"{n}^2" if n > 1 else None),
    "its root": integer(lambda n: rf"\sqrt{{{n}}}" if n > 1 else None),
    "with pi": integer(lambda n: rf"{n}\pi" if n else None),
    "with a variable": integer(lambda n: f"{n}x" if n else None),
    "a pair": integer(lambda n: f"{n}, {n + 1}"),
    "range": integer(lambda n: f"{n}-{n + 3}" if n > 0 else None),
    "inverse": integer(lambda n: rf"\frac{{1}}{{{n}}}" if n > 1 else None),
    "chain to another": integer(lambda n: f"{n} + 1 = {n + 1}"),
    "false chain": integer(lambda n: f"{n - 3} + 4 = {n}"),
    "bracketed bound": integer(lambda n: rf"x > {n}"),
    "factorial": integer(lambda n: f"{n}!" if n > 2 else None),
    "half more": integer(lambda n: rf"{n}\frac{{1}}{{2}}" if n > 0 else None),
    "half more in words": integer(lambda n: rf"{n} \text{{ and a half}}" if n > 0 else None),
    "absolute of both": integer(lambda n: rf"\pm {n}" if n else None),
    "turned over": fraction(lambda s, a, b: rf"{s}\frac{{{b}}}{{{a}}}" if a != b and a else None),
    "numerator": fraction(lambda s, a, b: rf"{s}\frac{{{a + 1}}}{{{b}}}"),
    "denominator": fraction(lambda s, a, b: rf"{s}\frac{{{a}}}{{{b + 1}}}" if a else None),
    "fraction's sign": fraction(lambda s, a, b: rf"{'' if s else '-'}\frac{{{a}}}{{{b}}}"),
    "cut decimal": fraction(_cut_decimal),
    "its complement": fraction(lambda s, a, b: rf"\frac{{{b - a}}}{{{b}}}" if 0 < a < b and 2 * a != b else None),
    "percent of a hundredth": fraction(
        lambda s, a, b: ((d := number_text(Fraction(a, b))) and not s and rf"{d}\%") or None
    ),
    "fraction with pi": fraction(lambda s, a, b: rf"{s}\frac{{{a}\pi}}{{{b}}}"),
    "root below": fraction(lambda s, a, b: rf"{s}\frac{{{a}}}{{\sqrt{{{b}}}}}" if b > 1 else None),
    "root lost": matched(ROOT, lambda m: f"{m['number']} \\cdot {m['inside']}"),
    "root number": matched(ROOT, lambda m: rf"{int(m['number']) + 1}\sqrt{{{m['inside']}}}"),
    "root inside": matched(ROOT, lambda m: rf"{m['number']}\sqrt{{{int(m['inside']) + 1}}}"),
    "root approximated": matched(ROOT, lambda m: f"{int(m['number']) * int(m['inside']) ** 0.5:.1f}"),
    "root cubed": matched(ROOT, lambda m: rf"{m['number']}\sqrt[3]{{{m['inside']}}}"),
    "pi lost": matched(PI, lambda m: m["number"]),
    "pi squared": matched(PI, lambda m: rf"{m['number']}\pi^2"),
    "pi as 3.14": matched(PI, lambda m: f"{int(m['number']) * 3.14:.2f}"),
    "other degrees": matched(DEGREES, lambda m: rf"{int(m['number']) + 10}^\circ"),
    "supplement": matched(
        DEGREES, lambda m: rf"{180 - int(m['number'])}^\circ" if int(m["number"]) not in (90,) else None
    ),
    "radians": matched(DEGREES, lambda m: rf"\frac{{{m['number']}\pi}}{{180}}"),
    "turned": point(lambda p: f"({', '.join(p[::-1])})" if p[::-1] != p else None),
    "first alone": point(lambda p: p[0]),
    "one coordinate more": point(lambda p: f"({', '.join([*p, '0'])})"),
    "one coordinate's sign": point(lambda p: f"({', '.join([_other_sign(p[0]), *p[1:]])})" if p[0] != "0" else None),
    "other bracket": interval(_bracket),
    "closed infinity": interval(_infinite_closed),
    "other relation": interval(_relation_turned),
    "end moved": interval(
        lambda a, low, high, b: f"{a}{low}, {high} + 1{b}" if "infty" not in high else f"{a}{low} - 1, {high}{b}"
    ),
    "one interval": lambda g: g.split(r"\cup")[0].strip() if r"\cup" in g else None,
    "intersection": lambda g: g.replace(r"\cup", r"\cap") if r"\cup" in g else None,
    "another word": matched(WORD, lambda m: rf"\text{{{m['word']}s and others}}"),
    "negated word": matched(WORD, lambda m: rf"\text{{not {m['word']}}}"),
    "two words": matched(WORD, lambda m: rf"\text{{{m['word']} or neither}}"),
    "next letter": matched(OPTION, lambda m: rf"\text{{({chr(ord(m['letter']) + 1)})}}"),
    "two letters": matched(OPTION, lambda m: rf"\text{{({m['letter']}) or ({chr(ord(m['letter']) + 1)})}}"),
    "other base": matched(BASED, lambda m: f"{m['digits']}_{{{int(m['base']) + 1}}}"),
    "base ten": matched(BASED, lambda m: f"{m['digits']}_{{10}}"),
    "value in ten": matched(BASED, lambda m: str(int(m["digits"], int(m["base"])))),
    "digits of a base": matched(BASED, lambda m: f"{m['digits']}0_{{{m['base']}}}"),
    "conjugate": matched(COMPLEX, lambda m: f"{m['real']} {'-' if m['sign'] == '+' else '+'} {m['imaginary']}i"),
    "real part": matched(COMPLEX, lambda m: m["real"]),
    "parts swapped": matched(
        COMPLEX, lambda m: f"{m['imaginary'] or 1} {m['sign']} {m['real']}i" if m["imaginary"] != m["real"] else None
    ),
    "one number": matched(NUMBERS, lambda m: m[0].split(",")[0]),
    "numbers and one more": matched(NUMBERS, lambda m: f"{m[0]}, 1234"),
    "last number changed": matched(NUMBERS, lambda m: f"{m[0]}1"),
    "rows turned": matched(MATRIX, _swapped_rows),
    "transposed": matched(MATRIX, lambda m: m[0].replace("\\\\", "&") if "&" not in m[0] else None),
    "determinant": matched(MATRIX, lambda m: m[0].replace("pmatrix", "vmatrix") if "&" in m[0] else None),
    "entry": matched(MATRIX, lambda m: re.sub(r"[0-9]", lambda d: str((int(d[0]) + 1) % 10), m[0], count=1)),
    "other money": matched(MONEY, lambda m: rf"\${m['number'][:-1]}{(int(m['number'][-1]) + 1) % 10}"),
    "cents": matched(MONEY, lambda m: rf"{m['number']}\text{{ million dollars}}"),
    "decimal moved": matched(DECIMAL, lambda m: f"{float(m[0]) * 10:.7f}".rstrip("0")),
    "decimal digit": matched(DECIMAL, lambda m: f"{m[0]}3"),
    "term lost": lambda g: g.rsplit("+", 1)[0].strip() if FORMS["terms turned"](g) and "+" in g else None,
    "coefficient": lambda g: f"2({g})" if FORMS["terms turned"](g) else None,
    "constant added": lambda g: f"{g} + 1" if FORMS["terms turned"](g) else None,
    "sign within": lambda g: g.replace("+", "-", 1) if FORMS["terms turned"](g) and "+" in g else None,
}


def mistaken(gold: str) -> dict[str, str]:
    """The gold answer with each mistake that applies, each text once."""
    texts: dict[str, str] = {}
    for name, change in MISTAKES.items():
        text = change(gold)
        if text is not None and text != gold:
            texts.setdefault(text, name)
    return {name: text for text, name in texts.items()}

r"""Wrong answers as language models make them, from the gold answer's text; None where one does not apply."""

import re
from fractions import Fraction

import gold_kinds as kinds
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
    return f"{sign}{kinds.rounded(top / bottom)}" if kinds.number_text(Fraction(top, bottom)) is None else None


def _swapped_rows(found: re.Match[str]) -> str | None:
    rows = [row.strip() for row in found["rows"].split(r"\\")]
    turned = r" \\ ".join(reversed(rows))
    return rf"\begin{{pmatrix}} {turned} \end{{pmatrix}}" if rows[::-1] != rows else None


def _other_sign(coordinate: str) -> str:
    return coordinate.removeprefix("-") if coordinate.startswith("-") else f"-{coordinate}"


MISTAKES: dict[str, kinds.Change] = {
    "one more": kinds.integer(lambda n: str(n + 1)),
    "one less": kinds.integer(lambda n: str(n - 1)),
    "other sign": kinds.integer(lambda n: str(-n) if n else None),
    "ten times": kinds.integer(lambda n: f"{n}0" if n else None),
    "tenth": kinds.integer(lambda n: f"{n}"[:-1] if abs(n) > 9 else None),
    "point inside": kinds.integer(lambda n: f"{n}"[:-1] + "." + f"{n}"[-1] if abs(n) > 9 else None),
    "thousand": kinds.integer(lambda n: rf"{n} \text{{ thousand}}" if n else None),
    "million": kinds.integer(lambda n: f"{n} million" if n else None),
    "digits swapped": kinds.integer(
        lambda n: ((t := str(n)[:-2] + str(n)[-1] + str(n)[-2]) != str(n) and t) or None if n > 9 else None
    ),
    "squared": kinds.integer(lambda n: f"{n}^2" if n > 1 else None),
    "its root": kinds.integer(lambda n: rf"\sqrt{{{n}}}" if n > 1 else None),
    "with pi": kinds.integer(lambda n: rf"{n}\pi" if n else None),
    "with a variable": kinds.integer(lambda n: f"{n}x" if n else None),
    "a pair": kinds.integer(lambda n: f"{n}, {n + 1}"),
    "range": kinds.integer(lambda n: f"{n}-{n + 3}" if n > 0 else None),
    "inverse": kinds.integer(lambda n: rf"\frac{{1}}{{{n}}}" if n > 1 else None),
    "chain to another": kinds.integer(lambda n: f"{n} + 1 = {n + 1}"),
    "false chain": kinds.integer(lambda n: f"{n - 3} + 4 = {n}"),
    "bracketed bound": kinds.integer(lambda n: rf"x > {n}"),
    "factorial": kinds.integer(lambda n: f"{n}!" if n > 2 else None),
    "half more": kinds.integer(lambda n: rf"{n}\frac{{1}}{{2}}" if n > 0 else None),
    "half more in words": kinds.integer(lambda n: rf"{n} \text{{ and a half}}" if n > 0 else None),
    "absolute of both": kinds.integer(lambda n: rf"\pm {n}" if n else None),
    "turned over": kinds.fraction(lambda s, a, b: rf"{s}\frac{{{b}}}{{{a}}}" if a != b and a else None),
    "numerator": kinds.fraction(lambda s, a, b: rf"{s}\frac{{{a + 1}}}{{{b}}}"),
    "denominator": kinds.fraction(lambda s, a, b: rf"{s}\frac{{{a}}}{{{b + 1}}}" if a else None),
    "fraction's sign": kinds.fraction(lambda s, a, b: rf"{'' if s else '-'}\frac{{{a}}}{{{b}}}"),
    "cut decimal": kinds.fraction(_cut_decimal),
    "its complement": kinds.fraction(lambda s, a, b: rf"\frac{{{b - a}}}{{{b}}}" if 0 < a < b and 2 * a != b else None),
    "percent of a hundredth": kinds.fraction(
        lambda s, a, b: ((d := kinds.number_text(Fraction(a, b))) and not s and rf"{d}\%") or None
    ),
    "fraction with pi": kinds.fraction(lambda s, a, b: rf"{s}\frac{{{a}\pi}}{{{b}}}"),
    "root below": kinds.fraction(lambda s, a, b: rf"{s}\frac{{{a}}}{{\sqrt{{{b}}}}}" if b > 1 else None),
    "root lost": kinds.matched(kinds.ROOT, lambda m: f"{m['number']} \\cdot {m['inside']}"),
    "root number": kinds.matched(kinds.ROOT, lambda m: rf"{int(m['number']) + 1}\sqrt{{{m['inside']}}}"),
    "root inside": kinds.matched(kinds.ROOT, lambda m: rf"{m['number']}\sqrt{{{int(m['inside']) + 1}}}"),
    "root approximated": kinds.matched(kinds.ROOT, lambda m: f"{int(m['number']) * int(m['inside']) ** 0.5:.1f}"),
    "root cubed": kinds.matched(kinds.ROOT, lambda m: rf"{m['number']}\sqrt[3]{{{m['inside']}}}"),
    "pi lost": kinds.matched(kinds.PI, lambda m: m["number"]),
    "pi squared": kinds.matched(kinds.PI, lambda m: rf"{m['number']}\pi^2"),
    "pi as 3.14": kinds.matched(kinds.PI, lambda m: f"{int(m['number']) * 3.14:.2f}"),
    "other degrees": kinds.matched(kinds.DEGREES, lambda m: rf"{int(m['number']) + 10}^\circ"),
    "supplement": kinds.matched(
        kinds.DEGREES, lambda m: rf"{180 - int(m['number'])}^\circ" if int(m["number"]) not in (90,) else None
    ),
    "radians": kinds.matched(kinds.DEGREES, lambda m: rf"\frac{{{m['number']}\pi}}{{180}}"),
    "turned": kinds.point(lambda p: f"({', '.join(p[::-1])})" if p[::-1] != p else None),
    "first alone": kinds.point(lambda p: p[0]),
    "one coordinate more": kinds.point(lambda p: f"({', '.join([*p, '0'])})"),
    "one coordinate's sign": kinds.point(
        lambda p: f"({', '.join([_other_sign(p[0]), *p[1:]])})" if p[0] != "0" else None
    ),
    "other bracket": kinds.interval(_bracket),
    "closed infinity": kinds.interval(_infinite_closed),
    "other relation": kinds.interval(_relation_turned),
    "end moved": kinds.interval(
        lambda a, low, high, b: f"{a}{low}, {high} + 1{b}" if "infty" not in high else f"{a}{low} - 1, {high}{b}"
    ),
    "one interval": lambda g: g.split(r"\cup")[0].strip() if r"\cup" in g else None,
    "intersection": lambda g: g.replace(r"\cup", r"\cap") if r"\cup" in g else None,
    "another word": kinds.matched(kinds.WORD, lambda m: rf"\text{{{m['word']}s and others}}"),
    "negated word": kinds.matched(kinds.WORD, lambda m: rf"\text{{not {m['word']}}}"),
    "two words": kinds.matched(kinds.WORD, lambda m: rf"\text{{{m['word']} or neither}}"),
    "next letter": kinds.matched(kinds.OPTION, lambda m: rf"\text{{({chr(ord(m['letter']) + 1)})}}"),
    "two letters": kinds.matched(kinds.OPTION, lambda m: rf"\text{{({m['letter']}) or ({chr(ord(m['letter']) + 1)})}}"),
    "other base": kinds.matched(kinds.BASED, lambda m: f"{m['digits']}_{{{int(m['base']) + 1}}}"),
    "base ten": kinds.matched(kinds.BASED, lambda m: f"{m['digits']}_{{10}}"),
    "value in ten": kinds.matched(kinds.BASED, lambda m: str(int(m["digits"], int(m["base"])))),
    "digits of a base": kinds.matched(kinds.BASED, lambda m: f"{m['digits']}0_{{{m['base']}}}"),
    "conjugate": kinds.matched(
        kinds.COMPLEX, lambda m: f"{m['real']} {'-' if m['sign'] == '+' else '+'} {m['imaginary']}i"
    ),
    "real part": kinds.matched(kinds.COMPLEX, lambda m: m["real"]),
    "parts swapped": kinds.matched(
        kinds.COMPLEX,
        lambda m: f"{m['imaginary'] or 1} {m['sign']} {m['real']}i" if m["imaginary"] != m["real"] else None,
    ),
    "one number": kinds.matched(kinds.NUMBERS, lambda m: m[0].split(",")[0]),
    "numbers and one more": kinds.matched(kinds.NUMBERS, lambda m: f"{m[0]}, 1234"),
    "last number changed": kinds.matched(kinds.NUMBERS, lambda m: f"{m[0]}1"),
    "rows turned": kinds.matched(kinds.MATRIX, _swapped_rows),
    "transposed": kinds.matched(kinds.MATRIX, lambda m: m[0].replace("\\\\", "&") if "&" not in m[0] else None),
    "determinant": kinds.matched(kinds.MATRIX, lambda m: m[0].replace("pmatrix", "vmatrix") if "&" in m[0] else None),
    "entry": kinds.matched(
        kinds.MATRIX, lambda m: re.sub(r"[0-9]", lambda d: str((int(d[0]) + 1) % 10), m[0], count=1)
    ),
    "other money": kinds.matched(kinds.MONEY, lambda m: rf"\${m['number'][:-1]}{(int(m['number'][-1]) + 1) % 10}"),
    "cents": kinds.matched(kinds.MONEY, lambda m: rf"{m['number']}\text{{ million dollars}}"),
    "decimal moved": kinds.matched(kinds.DECIMAL, lambda m: f"{float(m[0]) * 10:.7f}".rstrip("0")),
    "decimal digit": kinds.matched(kinds.DECIMAL, lambda m: f"{m[0]}3"),
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

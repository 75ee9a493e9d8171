r"""Answers as language models write them, by the kind of the gold answer: the same value in another writing.

Written down before any of them was tried. Every form gives the same value by construction, from the gold answer's text
and exact arithmetic of its own; None where it does not apply.
"""

import re
from fractions import Fraction
from math import gcd, isqrt

from gold_kinds import (
    BASED,
    COMPLEX,
    DECIMAL,
    DEGREES,
    GROUPED,
    MATRIX,
    MIXED,
    MONEY,
    NUMBERS,
    OPTION,
    PI,
    ROOT,
    SUM,
    TUPLE,
    WORD,
    WORDS,
    Change,
    fraction,
    integer,
    interval,
    matched,
    number_text,
    point,
    rounded,
)


def _relation(left: str, low: str, high: str, right: str, *, le: str = r"\le") -> str:
    below, above = (le if left == "[" else "<"), (le if right == "]" else "<")
    if low == "-\\infty":
        return f"x {above} {high}"
    if high == "\\infty":
        return f"x {'>' if left == '(' else le.replace('le', 'ge')} {low}"
    return f"{low} {below} x {above} {high}"


def _decimal(sign: str, top: int, bottom: int) -> str | None:
    text = number_text(Fraction(top, bottom))
    return text and sign + text


def _columns(rows: str) -> str:
    return "c" * (rows.split(r"\\")[0].count("&") + 1)


def _turned(gold: str) -> str | None:
    """A polynomial with its terms in the opposite order."""
    if not SUM.fullmatch(gold) or "pm" in gold or not re.search(r"[a-z]", re.sub(r"\\[a-z]+", "", gold)) or "=" in gold:
        return None
    terms = re.findall(r"[-+]?[^-+]+", gold.replace(" ", ""))
    turned = "".join(term if term[0] in "-+" else f"+{term}" for term in reversed(terms))
    return turned.removeprefix("+")


def _repeating(sign: str, top: int, bottom: int) -> str | None:
    return rf"{sign}0.\overline{{{top * (9 // bottom)}}}" if bottom in (3, 9) and 0 < top < bottom else None


FORMS: dict[str, Change] = {
    # integers
    "plus sign": integer(lambda n: f"+{n}" if n > 0 else None),
    "square unit": integer(lambda n: rf"{n} \text{{ cm}}^2"),
    "glued unit": integer(lambda n: rf"{n}\text{{cm}}"),
    "roman unit": integer(lambda n: rf"{n}~\mathrm{{units}}"),
    "square units": integer(lambda n: rf"{n} \text{{ square units}}"),
    "speed": integer(lambda n: rf"{n} \, \text{{km/h}}"),
    "counted": integer(lambda n: rf"{n} \text{{ ways}}"),
    "people": integer(lambda n: rf"{n}\text{{ students}}"),
    "plain words behind": integer(lambda n: f"{n} apples"),
    "named by words": integer(lambda n: rf"\text{{Area}} = {n}"),
    "named by a long text": integer(lambda n: rf"\text{{Number of ways}} = {n}"),
    "function": integer(lambda n: f"f(3) = {n}"),
    "composed function": integer(lambda n: f"f(g(2)) = {n}"),
    "norm": integer(lambda n: rf"\|\mathbf{{v}}\| = {n}"),
    "segment": integer(lambda n: f"AB = {n}"),
    "overlined": integer(lambda n: rf"\overline{{AB}} = {n}"),
    "subscript": integer(lambda n: f"a_{{10}} = {n}"),
    "sum": integer(lambda n: f"{n - 5} + 5 = {n}"),
    "sum of letters": integer(lambda n: f"m + n = {n - 3} + 3 = {n}"),
    "product": integer(lambda n: rf"{n // 2} \cdot 2 = {n}" if n % 2 == 0 and n > 0 else None),
    "binomial": integer(lambda n: rf"\binom{{{n}}}{{1}} = {n}" if n > 1 else None),
    "in text": integer(lambda n: rf"\text{{{n}}}"),
    "math bold": integer(lambda n: rf"\mathbf{{{n}}}"),
    "underlined": integer(lambda n: rf"\underline{{{n}}}"),
    "text color": integer(lambda n: rf"\textcolor{{blue}}{{{n}}}"),
    "color": integer(lambda n: rf"{{\color{{red}} {n}}}"),
    "large": integer(lambda n: rf"\Large {n}"),
    "over one": integer(lambda n: rf"\frac{{{n}}}{{1}}"),
    "root of a square": integer(lambda n: rf"\sqrt{{{n * n}}}" if 0 < n < 1000 else None),
    "root and value": integer(lambda n: rf"\sqrt{{{n * n}}} = {n}" if 0 < n < 1000 else None),
    "thin thousands": integer(lambda n: f"{n:,}".replace(",", r"\,") if abs(n) > 999 else None),
    "negative thin thousands": integer(lambda n: f"{n:,}".replace(",", r"\!,\!") if abs(n) > 999 else None),
    "brace thousands": integer(lambda n: f"{n:,}".replace(",", "{,}") if abs(n) > 999 else None),
    "money": integer(lambda n: rf"\${n}" if n > 0 else None),
    "dollars": integer(lambda n: rf"{n} \text{{ dollars}}"),
    "cents": integer(lambda n: rf"{n}\text{{¢}}"),
    "sentence in the box": integer(lambda n: rf"\text{{The answer is }} {n}"),
    "bracketed": integer(lambda n: f"({n})"),
    "power of two": integer(lambda n: f"2^{{{n.bit_length() - 1}}}" if n > 1 and n & (n - 1) == 0 else None),
    "square": integer(lambda n: f"{isqrt(n)}^2" if n > 3 and isqrt(n) ** 2 == n else None),
    "power and value": integer(lambda n: f"2^{{{n.bit_length() - 1}}} = {n}" if n > 1 and n & (n - 1) == 0 else None),
    "two zeros": integer(lambda n: f"{n}.00"),
    "word": integer(lambda n: rf"\text{{{WORDS[n]}}}" if 0 <= n <= 12 else None),
    "word and digits": integer(lambda n: f"{WORDS[n]} ({n})" if 0 <= n <= 12 else None),
    "absolute": integer(lambda n: f"|{-n}|" if n > 0 else None),
    "quotient": integer(lambda n: f"{3 * n}/3"),
    "division": integer(lambda n: rf"\frac{{{6 * n}}}{{6}} = {n}"),
    "congruence": integer(lambda n: rf"x \equiv {n} \pmod{{{n + 5}}}" if n > 0 else None),
    "remainder": integer(lambda n: rf"{n} \pmod{{{n + 5}}}" if n > 0 else None),
    "greatest": integer(lambda n: rf"\max = {n}"),
    "hour of words": integer(lambda n: rf"{n}\text{{ hours}}"),
    # fractions
    "dfrac": fraction(lambda s, a, b: rf"{s}\dfrac{{{a}}}{{{b}}}"),
    "tfrac": fraction(lambda s, a, b: rf"{s}\tfrac{{{a}}}{{{b}}}"),
    "cfrac": fraction(lambda s, a, b: rf"{s}\cfrac{{{a}}}{{{b}}}"),
    "bare frac": fraction(lambda s, a, b: rf"{s}\frac{a}{b}" if a < 10 and b < 10 else None),
    "half-bare frac": fraction(lambda s, a, b: rf"{s}\frac{a}{{{b}}}" if a < 10 else None),
    "spaced slash": fraction(lambda s, a, b: f"{s}{a} / {b}"),
    "braced slash": fraction(lambda s, a, b: f"{s}{{{a}}}/{{{b}}}"),
    "divided": fraction(lambda s, a, b: rf"{s}{a} \div {b}"),
    "sign above": fraction(lambda s, a, b: rf"\frac{{{s}{a}}}{{{b}}}"),
    "sign below": fraction(lambda s, a, b: rf"\frac{{{a}}}{{-{b}}}" if s else None),
    "fraction in brackets": fraction(lambda s, a, b: rf"\left({s}\frac{{{a}}}{{{b}}}\right)"),
    "ending decimal": fraction(_decimal),
    "equal decimal": fraction(lambda s, a, b: (d := _decimal(s, a, b)) and rf"{s}\frac{{{a}}}{{{b}}} = {d}"),
    "or decimal": fraction(lambda s, a, b: (d := _decimal(s, a, b)) and rf"{s}\frac{{{a}}}{{{b}}} \text{{ or }} {d}"),
    "percent": fraction(lambda s, a, b: ((d := number_text(Fraction(100 * a, b))) and not s and rf"{d}\%") or None),
    "near decimal": fraction(lambda s, a, b: rf"{s}\frac{{{a}}}{{{b}}} \approx {s}{rounded(a / b)}"),
    "near decimal in brackets": fraction(lambda s, a, b: rf"{s}\frac{{{a}}}{{{b}}} (\approx {s}{rounded(a / b, 4)})"),
    "ten places": fraction(lambda s, a, b: f"{s}{a / b:.10f}" if number_text(Fraction(a, b)) is None else None),
    "repeating": fraction(_repeating),
    "probability": fraction(lambda s, a, b: rf"P(A) = {s}\frac{{{a}}}{{{b}}}"),
    "long probability": fraction(lambda s, a, b: rf"P(\text{{at least one}}) = {s}\frac{{{a}}}{{{b}}}"),
    "reduced": fraction(lambda s, a, b: rf"{s}\frac{{{4 * a}}}{{{4 * b}}} = {s}\frac{{{a}}}{{{b}}}"),
    "not reduced": fraction(lambda s, a, b: rf"{s}\frac{{{7 * a}}}{{{7 * b}}}"),
    "fraction of a unit": fraction(lambda s, a, b: rf"{s}\frac{{{a}}}{{{b}}} \text{{ units}}"),
    "mixed": fraction(lambda s, a, b: rf"{s}{a // b} \frac{{{a % b}}}{{{b}}}" if a > b and gcd(a, b) == 1 else None),
    "plain mixed": fraction(lambda s, a, b: f"{s}{a // b} {a % b}/{b}" if a > b and gcd(a, b) == 1 else None),
    "mixed in text": fraction(
        lambda s, a, b: rf"{a // b}\text{{ and }}\frac{{{a % b}}}{{{b}}}" if a > b and not s and a % b else None
    ),
    "sine": fraction(lambda s, a, b: rf"\sin A = {s}\frac{{{a}}}{{{b}}}"),
    "power of minus one": fraction(lambda s, a, b: rf"{s}\left(\frac{{{b}}}{{{a}}}\right)^{{-1}}" if a else None),
    "one half sign": fraction(lambda s, a, b: f"{s}½" if (a, b) == (1, 2) else None),
    # roots
    "dot root": matched(ROOT, lambda m: rf"{m['number']} \cdot \sqrt{{{m['inside']}}}"),
    "times root": matched(ROOT, lambda m: rf"{m['number']} \times \sqrt{{{m['inside']}}}"),
    "star root": matched(ROOT, lambda m: f"{m['number']}*sqrt({m['inside']})"),
    "word root": matched(ROOT, lambda m: f"{m['number']}sqrt({m['inside']})"),
    "sign root": matched(ROOT, lambda m: f"{m['number']}√{m['inside']}"),
    "thin root": matched(ROOT, lambda m: rf"{m['number']}\,\sqrt{{{m['inside']}}}"),
    "root first": matched(ROOT, lambda m: rf"\sqrt{{{m['inside']}}} \cdot {m['number']}"),
    "root near": matched(ROOT, lambda m: rf"{m[0]} \approx {int(m['number']) * int(m['inside']) ** 0.5:.3f}"),
    "root and root": matched(ROOT, lambda m: rf"\sqrt{{{int(m['number']) ** 2 * int(m['inside'])}}} = {m[0]}"),
    "root power": matched(ROOT, lambda m: rf"{m['number']}({m['inside']})^{{1/2}}"),
    "root with unit": matched(ROOT, lambda m: rf"{m[0]} \text{{ cm}}"),
    "root with plain unit": matched(ROOT, lambda m: f"{m[0]} units"),
    "length": matched(ROOT, lambda m: f"AC = {m[0]}"),
    # pi
    "pi sign": matched(PI, lambda m: f"{m['number']}π"),
    "pi word": matched(PI, lambda m: f"{m['number']}pi"),
    "pi dot": matched(PI, lambda m: rf"{m['number']} \cdot \pi"),
    "pi near": matched(PI, lambda m: rf"{m['number']}\pi \approx {int(m['number']) * 3.14159265:.2f}"),
    "pi with unit": matched(PI, lambda m: rf"{m['number']}\pi \text{{ cubic inches}}"),
    "pi with power": matched(PI, lambda m: rf"{m['number']}\pi~\text{{cm}}^3"),
    "volume": matched(PI, lambda m: rf"V = {m['number']}\pi"),
    "sum and pi": matched(PI, lambda m: rf"\pi({m['number']})"),
    "pi divided": lambda g: (
        g.replace(r"\frac{\pi}{", r"\pi/").replace("}", "") if re.fullmatch(r"-?\\frac\{\\pi\}\{[0-9]+\}", g) else None
    ),
    # degrees
    "no degree": matched(DEGREES, lambda m: m["number"]),
    "braced degree": matched(DEGREES, lambda m: rf"{m['number']}^{{\circ}}"),
    "degree sign": matched(DEGREES, lambda m: f"{m['number']}°"),
    "degree word": matched(DEGREES, lambda m: rf"{m['number']} \text{{ degrees}}"),
    "degree command": matched(DEGREES, lambda m: rf"{m['number']}\degree"),
    "angle": matched(DEGREES, lambda m: rf"\angle ABC = {m[0]}"),
    "measure": matched(DEGREES, lambda m: rf"m\angle PQR = {m[0]}"),
    "theta": matched(DEGREES, lambda m: rf"\theta = {m['number']}^\circ"),
    "spaced degree": matched(DEGREES, lambda m: rf"{m['number']}\,^\circ"),
    # tuples and points
    "tuple without spaces": point(lambda p: f"({','.join(p)})"),
    "tuple with left": point(lambda p: rf"\left({', '.join(p)}\right)"),
    "tuple with big": point(lambda p: rf"\big({', '.join(p)}\big)"),
    "tuple thin": point(lambda p: "(" + r",\, ".join(p) + ")"),
    "tuple named": lambda g: f"(x, y) = {g}" if TUPLE.fullmatch(g) and g.count(",") == 1 and "infty" not in g else None,
    "tuple of a point": lambda g: f"P = {g}" if TUPLE.fullmatch(g) and "infty" not in g else None,
    "tuple in words": lambda g: rf"\text{{the point }} {g}" if TUPLE.fullmatch(g) and "infty" not in g else None,
    "tuple dfrac": lambda g: g.replace(r"\frac", r"\dfrac") if TUPLE.fullmatch(g) and r"\frac" in g else None,
    # intervals
    "relation": interval(lambda *i: _relation(*i)),
    "relation leq": interval(lambda *i: _relation(*i, le=r"\leq")),
    "relation sign": interval(lambda *i: _relation(*i).replace(r"\le", "≤").replace(r"\ge", "≥")),
    "member": interval(lambda a, low, high, b: rf"x \in {a}{low}, {high}{b}"),
    "builder": interval(lambda *i: rf"\{{x \mid {_relation(*i)}\}}"),
    "sized interval": interval(lambda a, low, high, b: rf"\left{a}{low},\ {high}\right{b}"),
    "infinity sign": lambda g: g.replace(r"\infty", "∞") if "infty" in g else None,
    "cup sign": lambda g: g.replace(r"\cup", "∪") if "cup" in g else None,
    "member of a union": lambda g: rf"x \in {g}" if "cup" in g else None,
    # words and options
    "bare word": matched(WORD, lambda m: m["word"]),
    "bold word": matched(WORD, lambda m: rf"\textbf{{{m['word']}}}"),
    "roman word": matched(WORD, lambda m: rf"\mathrm{{{m['word']}}}"),
    "small word": matched(WORD, lambda m: rf"\text{{{m['word'].lower()}}}"),
    "capital word": matched(WORD, lambda m: rf"\text{{{m['word'].capitalize()}}}"),
    "word with a stop": matched(WORD, lambda m: rf"\text{{{m['word']}.}}"),
    "letter": matched(OPTION, lambda m: m["letter"]),
    "letter in text": matched(OPTION, lambda m: rf"\text{{{m['letter']}}}"),
    "letter in brackets": matched(OPTION, lambda m: f"({m['letter']})"),
    "bold letter": matched(OPTION, lambda m: rf"\textbf{{({m['letter']})}}"),
    "roman letter": matched(OPTION, lambda m: rf"\mathrm{{({m['letter']})}}"),
    "option": matched(OPTION, lambda m: rf"\text{{Option {m['letter']}}}"),
    "letter with its text": matched(OPTION, lambda m: rf"\textbf{{({m['letter']})}}\ 12"),
    # bases, complex numbers, lists, matrices
    "braced base": matched(BASED, lambda m: f"{m['digits']}_{{{m['base']}}}"),
    "base in brackets": matched(BASED, lambda m: f"({m['digits']})_{{{m['base']}}}"),
    "base text": matched(BASED, lambda m: rf"{m['digits']}_{{\text{{{WORDS[int(m['base'])]}}}}}"),
    "base ten text": matched(BASED, lambda m: rf"{m['digits']}_\text{{{WORDS[int(m['base'])]}}}"),
    "base left out": matched(BASED, lambda m: m["digits"]),
    "base in words": matched(BASED, lambda m: rf"{m['digits']} \text{{ (base }} {m['base']})"),
    "imaginary first": matched(
        COMPLEX,
        lambda m: f"{m['sign'].replace('+', '')}{m['imaginary']}i {'' if m['real'][0] == '-' else '+'} {m['real']}",
    ),
    "roman i": matched(COMPLEX, lambda m: rf"{m['real']} {m['sign']} {m['imaginary']}\mathrm{{i}}"),
    "complex name": matched(COMPLEX, lambda m: f"z = {m[0]}"),
    "complex brackets": matched(COMPLEX, lambda m: f"({m[0]})"),
    "numbers backwards": matched(NUMBERS, lambda m: ", ".join(reversed([p.strip() for p in m[0].split(",")]))),
    "numbers and": matched(
        NUMBERS, lambda m: r" \text{ and } ".join(m[0].split(",")) if m[0].count(",") == 1 else None
    ),
    "numbers or": matched(NUMBERS, lambda m: r" \text{ or } ".join(m[0].split(",")) if m[0].count(",") == 1 else None),
    "numbers named": matched(NUMBERS, lambda m: "x = " + r" \text{ or } x = ".join(m[0].split(","))),
    "numbers with subscripts": matched(
        NUMBERS, lambda m: ", ".join(f"x_{i} = {p.strip()}" for i, p in enumerate(m[0].split(","), 1))
    ),
    "set": matched(NUMBERS, lambda m: rf"\{{{m[0]}\}}"),
    "numbers thin": matched(NUMBERS, lambda m: r",\; ".join(p.strip() for p in m[0].split(","))),
    "numbers member": matched(NUMBERS, lambda m: rf"x \in \{{{m[0]}\}}"),
    "square matrix": matched(MATRIX, lambda m: rf"\begin{{bmatrix}}{m['rows']}\end{{bmatrix}}"),
    "array": matched(
        MATRIX,
        lambda m: rf"\left(\begin{{array}}{{{_columns(m['rows'])}}}{m['rows']}\end{{array}}\right)",
    ),
    "matrix name": matched(MATRIX, lambda m: rf"\mathbf{{v}} = {m[0]}"),
    "matrix with fractions": matched(
        MATRIX, lambda m: re.sub(r"(-?)([0-9]+)/([0-9]+)", r"\1\\frac{\2}{\3}", m[0]) if "/" in m[0] else None
    ),
    "matrix lines": matched(MATRIX, lambda m: m[0].replace("\\\\", "\\\\\n")),
    # other numbers
    "money without sign": matched(MONEY, lambda m: m["number"].replace("\\!", "")),
    "money in words": matched(MONEY, lambda m: rf"{m['number']}\text{{ dollars}}"),
    "money signed twice": matched(MONEY, lambda m: rf"\$ {m['number'].replace(chr(92) + '!', '')}"),
    "mixed as fraction": matched(
        MIXED, lambda m: rf"\frac{{{int(m['whole']) * int(m['bottom']) + int(m['top'])}}}{{{m['bottom']}}}"
    ),
    "mixed as decimal": matched(
        MIXED, lambda m: number_text(int(m["whole"]) + Fraction(int(m["top"]), int(m["bottom"])))
    ),
    "ungrouped": matched(GROUPED, lambda m: re.sub("[^0-9]", "", m[0])),
    "grouped plainly": matched(GROUPED, lambda m: re.sub(r"\\!|\s", "", m[0])),
    "zero before the point": matched(DECIMAL, lambda m: f"{float(m[0]):.7f}".rstrip("0")),
    "decimal as fraction": matched(
        DECIMAL, lambda m: rf"\frac{{{Fraction(m[0]).numerator}}}{{{Fraction(m[0]).denominator}}}"
    ),
    "trailing zero": matched(DECIMAL, lambda m: f"{m[0]}0"),
    "terms turned": _turned,
    "polynomial named": lambda g: f"f(x) = {g}" if _turned(g) and "i" not in g else None,
    "stars": lambda g: re.sub(r"(?<=[0-9])(?=[a-z])", "*", g) if _turned(g) and re.search("[0-9][a-z]", g) else None,
}


def written(gold: str) -> dict[str, str]:
    """The gold answer in each form that applies, each text once."""
    texts: dict[str, str] = {}
    for name, form in FORMS.items():
        text = form(gold)
        if text is not None and text != gold:
            texts.setdefault(text, name)
    return {name: text for text, name in texts.items()}

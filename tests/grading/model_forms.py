r"""Answers as language models write them, by the kind of the gold answer: the same value in another writing.

Written down before any of them was tried. Every form gives the same value by construction, from the gold answer's text
and exact arithmetic of its own; None where it does not apply.
"""

import re
from fractions import Fraction
from math import gcd, isqrt

import gold_kinds as kinds


def _relation(left: str, low: str, high: str, right: str, *, le: str = r"\le") -> str:
    below, above = (le if left == "[" else "<"), (le if right == "]" else "<")
    if low == "-\\infty":
        return f"x {above} {high}"
    if high == "\\infty":
        return f"x {'>' if left == '(' else le.replace('le', 'ge')} {low}"
    return f"{low} {below} x {above} {high}"


def _decimal(sign: str, top: int, bottom: int) -> str | None:
    text = kinds.number_text(Fraction(top, bottom))
    return text and sign + text


def _columns(rows: str) -> str:
    return "c" * (rows.split(r"\\")[0].count("&") + 1)


def _turned(gold: str) -> str | None:
    """A polynomial with its terms in the opposite order."""
    if (
        not kinds.SUM.fullmatch(gold)
        or "pm" in gold
        or not re.search(r"[a-z]", re.sub(r"\\[a-z]+", "", gold))
        or "=" in gold
    ):
        return None
    terms = re.findall(r"[-+]?[^-+]+", gold.replace(" ", ""))
    turned = "".join(term if term[0] in "-+" else f"+{term}" for term in reversed(terms))
    return turned.removeprefix("+")


def _repeating(sign: str, top: int, bottom: int) -> str | None:
    return rf"{sign}0.\overline{{{top * (9 // bottom)}}}" if bottom in (3, 9) and 0 < top < bottom else None


FORMS: dict[str, kinds.Change] = {
    # integers
    "plus sign": kinds.integer(lambda n: f"+{n}" if n > 0 else None),
    "square unit": kinds.integer(lambda n: rf"{n} \text{{ cm}}^2"),
    "glued unit": kinds.integer(lambda n: rf"{n}\text{{cm}}"),
    "roman unit": kinds.integer(lambda n: rf"{n}~\mathrm{{units}}"),
    "square units": kinds.integer(lambda n: rf"{n} \text{{ square units}}"),
    "speed": kinds.integer(lambda n: rf"{n} \, \text{{km/h}}"),
    "counted": kinds.integer(lambda n: rf"{n} \text{{ ways}}"),
    "people": kinds.integer(lambda n: rf"{n}\text{{ students}}"),
    "plain words behind": kinds.integer(lambda n: f"{n} apples"),
    "named by words": kinds.integer(lambda n: rf"\text{{Area}} = {n}"),
    "named by a long text": kinds.integer(lambda n: rf"\text{{Number of ways}} = {n}"),
    "function": kinds.integer(lambda n: f"f(3) = {n}"),
    "composed function": kinds.integer(lambda n: f"f(g(2)) = {n}"),
    "norm": kinds.integer(lambda n: rf"\|\mathbf{{v}}\| = {n}"),
    "segment": kinds.integer(lambda n: f"AB = {n}"),
    "overlined": kinds.integer(lambda n: rf"\overline{{AB}} = {n}"),
    "subscript": kinds.integer(lambda n: f"a_{{10}} = {n}"),
    "sum": kinds.integer(lambda n: f"{n - 5} + 5 = {n}"),
    "sum of letters": kinds.integer(lambda n: f"m + n = {n - 3} + 3 = {n}"),
    "product": kinds.integer(lambda n: rf"{n // 2} \cdot 2 = {n}" if n % 2 == 0 and n > 0 else None),
    "binomial": kinds.integer(lambda n: rf"\binom{{{n}}}{{1}} = {n}" if n > 1 else None),
    "in text": kinds.integer(lambda n: rf"\text{{{n}}}"),
    "math bold": kinds.integer(lambda n: rf"\mathbf{{{n}}}"),
    "underlined": kinds.integer(lambda n: rf"\underline{{{n}}}"),
    "text color": kinds.integer(lambda n: rf"\textcolor{{blue}}{{{n}}}"),
    "color": kinds.integer(lambda n: rf"{{\color{{red}} {n}}}"),
    "large": kinds.integer(lambda n: rf"\Large {n}"),
    "over one": kinds.integer(lambda n: rf"\frac{{{n}}}{{1}}"),
    "root of a square": kinds.integer(lambda n: rf"\sqrt{{{n * n}}}" if 0 < n < 1000 else None),
    "root and value": kinds.integer(lambda n: rf"\sqrt{{{n * n}}} = {n}" if 0 < n < 1000 else None),
    "thin thousands": kinds.integer(lambda n: f"{n:,}".replace(",", r"\,") if abs(n) > 999 else None),
    "negative thin thousands": kinds.integer(lambda n: f"{n:,}".replace(",", r"\!,\!") if abs(n) > 999 else None),
    "brace thousands": kinds.integer(lambda n: f"{n:,}".replace(",", "{,}") if abs(n) > 999 else None),
    "money": kinds.integer(lambda n: rf"\${n}" if n > 0 else None),
    "dollars": kinds.integer(lambda n: rf"{n} \text{{ dollars}}"),
    "cents": kinds.integer(lambda n: rf"{n}\text{{¢}}"),
    "sentence in the box": kinds.integer(lambda n: rf"\text{{The answer is }} {n}"),
    "bracketed": kinds.integer(lambda n: f"({n})"),
    "power of two": kinds.integer(lambda n: f"2^{{{n.bit_length() - 1}}}" if n > 1 and n & (n - 1) == 0 else None),
    "square": kinds.integer(lambda n: f"{isqrt(n)}^2" if n > 3 and isqrt(n) ** 2 == n else None),
    "power and value": kinds.integer(
        lambda n: f"2^{{{n.bit_length() - 1}}} = {n}" if n > 1 and n & (n - 1) == 0 else None
    ),
    "two zeros": kinds.integer(lambda n: f"{n}.00"),
    "word": kinds.integer(lambda n: rf"\text{{{kinds.WORDS[n]}}}" if 0 <= n <= 12 else None),
    "word and digits": kinds.integer(lambda n: f"{kinds.WORDS[n]} ({n})" if 0 <= n <= 12 else None),
    "absolute": kinds.integer(lambda n: f"|{-n}|" if n > 0 else None),
    "quotient": kinds.integer(lambda n: f"{3 * n}/3"),
    "division": kinds.integer(lambda n: rf"\frac{{{6 * n}}}{{6}} = {n}"),
    "congruence": kinds.integer(lambda n: rf"x \equiv {n} \pmod{{{n + 5}}}" if n > 0 else None),
    "remainder": kinds.integer(lambda n: rf"{n} \pmod{{{n + 5}}}" if n > 0 else None),
    "greatest": kinds.integer(lambda n: rf"\max = {n}"),
    "hour of words": kinds.integer(lambda n: rf"{n}\text{{ hours}}"),
    # fractions
    "dfrac": kinds.fraction(lambda s, a, b: rf"{s}\dfrac{{{a}}}{{{b}}}"),
    "tfrac": kinds.fraction(lambda s, a, b: rf"{s}\tfrac{{{a}}}{{{b}}}"),
    "cfrac": kinds.fraction(lambda s, a, b: rf"{s}\cfrac{{{a}}}{{{b}}}"),
    "bare frac": kinds.fraction(lambda s, a, b: rf"{s}\frac{a}{b}" if a < 10 and b < 10 else None),
    "half-bare frac": kinds.fraction(lambda s, a, b: rf"{s}\frac{a}{{{b}}}" if a < 10 else None),
    "spaced slash": kinds.fraction(lambda s, a, b: f"{s}{a} / {b}"),
    "braced slash": kinds.fraction(lambda s, a, b: f"{s}{{{a}}}/{{{b}}}"),
    "divided": kinds.fraction(lambda s, a, b: rf"{s}{a} \div {b}"),
    "sign above": kinds.fraction(lambda s, a, b: rf"\frac{{{s}{a}}}{{{b}}}"),
    "sign below": kinds.fraction(lambda s, a, b: rf"\frac{{{a}}}{{-{b}}}" if s else None),
    "fraction in brackets": kinds.fraction(lambda s, a, b: rf"\left({s}\frac{{{a}}}{{{b}}}\right)"),
    "ending decimal": kinds.fraction(_decimal),
    "equal decimal": kinds.fraction(lambda s, a, b: (d := _decimal(s, a, b)) and rf"{s}\frac{{{a}}}{{{b}}} = {d}"),
    "or decimal": kinds.fraction(
        lambda s, a, b: (d := _decimal(s, a, b)) and rf"{s}\frac{{{a}}}{{{b}}} \text{{ or }} {d}"
    ),
    "percent": kinds.fraction(
        lambda s, a, b: ((d := kinds.number_text(Fraction(100 * a, b))) and not s and rf"{d}\%") or None
    ),
    "near decimal": kinds.fraction(lambda s, a, b: rf"{s}\frac{{{a}}}{{{b}}} \approx {s}{kinds.rounded(a / b)}"),
    "near decimal in brackets": kinds.fraction(
        lambda s, a, b: rf"{s}\frac{{{a}}}{{{b}}} (\approx {s}{kinds.rounded(a / b, 4)})"
    ),
    "ten places": kinds.fraction(
        lambda s, a, b: f"{s}{a / b:.10f}" if kinds.number_text(Fraction(a, b)) is None else None
    ),
    "repeating": kinds.fraction(_repeating),
    "probability": kinds.fraction(lambda s, a, b: rf"P(A) = {s}\frac{{{a}}}{{{b}}}"),
    "long probability": kinds.fraction(lambda s, a, b: rf"P(\text{{at least one}}) = {s}\frac{{{a}}}{{{b}}}"),
    "reduced": kinds.fraction(lambda s, a, b: rf"{s}\frac{{{4 * a}}}{{{4 * b}}} = {s}\frac{{{a}}}{{{b}}}"),
    "not reduced": kinds.fraction(lambda s, a, b: rf"{s}\frac{{{7 * a}}}{{{7 * b}}}"),
    "fraction of a unit": kinds.fraction(lambda s, a, b: rf"{s}\frac{{{a}}}{{{b}}} \text{{ units}}"),
    "mixed": kinds.fraction(
        lambda s, a, b: rf"{s}{a // b} \frac{{{a % b}}}{{{b}}}" if a > b and gcd(a, b) == 1 else None
    ),
    "plain mixed": kinds.fraction(lambda s, a, b: f"{s}{a // b} {a % b}/{b}" if a > b and gcd(a, b) == 1 else None),
    "mixed in text": kinds.fraction(
        lambda s, a, b: rf"{a // b}\text{{ and }}\frac{{{a % b}}}{{{b}}}" if a > b and not s and a % b else None
    ),
    "sine": kinds.fraction(lambda s, a, b: rf"\sin A = {s}\frac{{{a}}}{{{b}}}"),
    "power of minus one": kinds.fraction(lambda s, a, b: rf"{s}\left(\frac{{{b}}}{{{a}}}\right)^{{-1}}" if a else None),
    "one half sign": kinds.fraction(lambda s, a, b: f"{s}½" if (a, b) == (1, 2) else None),
    # roots
    "dot root": kinds.matched(kinds.ROOT, lambda m: rf"{m['number']} \cdot \sqrt{{{m['inside']}}}"),
    "times root": kinds.matched(kinds.ROOT, lambda m: rf"{m['number']} \times \sqrt{{{m['inside']}}}"),
    "star root": kinds.matched(kinds.ROOT, lambda m: f"{m['number']}*sqrt({m['inside']})"),
    "word root": kinds.matched(kinds.ROOT, lambda m: f"{m['number']}sqrt({m['inside']})"),
    "sign root": kinds.matched(kinds.ROOT, lambda m: f"{m['number']}√{m['inside']}"),
    "thin root": kinds.matched(kinds.ROOT, lambda m: rf"{m['number']}\,\sqrt{{{m['inside']}}}"),
    "root first": kinds.matched(kinds.ROOT, lambda m: rf"\sqrt{{{m['inside']}}} \cdot {m['number']}"),
    "root near": kinds.matched(
        kinds.ROOT, lambda m: rf"{m[0]} \approx {int(m['number']) * int(m['inside']) ** 0.5:.3f}"
    ),
    "root and root": kinds.matched(
        kinds.ROOT, lambda m: rf"\sqrt{{{int(m['number']) ** 2 * int(m['inside'])}}} = {m[0]}"
    ),
    "root power": kinds.matched(kinds.ROOT, lambda m: rf"{m['number']}({m['inside']})^{{1/2}}"),
    "root with unit": kinds.matched(kinds.ROOT, lambda m: rf"{m[0]} \text{{ cm}}"),
    "root with plain unit": kinds.matched(kinds.ROOT, lambda m: f"{m[0]} units"),
    "length": kinds.matched(kinds.ROOT, lambda m: f"AC = {m[0]}"),
    # pi
    "pi sign": kinds.matched(kinds.PI, lambda m: f"{m['number']}π"),
    "pi word": kinds.matched(kinds.PI, lambda m: f"{m['number']}pi"),
    "pi dot": kinds.matched(kinds.PI, lambda m: rf"{m['number']} \cdot \pi"),
    "pi near": kinds.matched(kinds.PI, lambda m: rf"{m['number']}\pi \approx {int(m['number']) * 3.14159265:.2f}"),
    "pi with unit": kinds.matched(kinds.PI, lambda m: rf"{m['number']}\pi \text{{ cubic inches}}"),
    "pi with power": kinds.matched(kinds.PI, lambda m: rf"{m['number']}\pi~\text{{cm}}^3"),
    "volume": kinds.matched(kinds.PI, lambda m: rf"V = {m['number']}\pi"),
    "sum and pi": kinds.matched(kinds.PI, lambda m: rf"\pi({m['number']})"),
    "pi divided": lambda g: (
        g.replace(r"\frac{\pi}{", r"\pi/").replace("}", "") if re.fullmatch(r"-?\\frac\{\\pi\}\{[0-9]+\}", g) else None
    ),
    # degrees
    "no degree": kinds.matched(kinds.DEGREES, lambda m: m["number"]),
    "braced degree": kinds.matched(kinds.DEGREES, lambda m: rf"{m['number']}^{{\circ}}"),
    "degree sign": kinds.matched(kinds.DEGREES, lambda m: f"{m['number']}°"),
    "degree word": kinds.matched(kinds.DEGREES, lambda m: rf"{m['number']} \text{{ degrees}}"),
    "degree command": kinds.matched(kinds.DEGREES, lambda m: rf"{m['number']}\degree"),
    "angle": kinds.matched(kinds.DEGREES, lambda m: rf"\angle ABC = {m[0]}"),
    "measure": kinds.matched(kinds.DEGREES, lambda m: rf"m\angle PQR = {m[0]}"),
    "theta": kinds.matched(kinds.DEGREES, lambda m: rf"\theta = {m['number']}^\circ"),
    "spaced degree": kinds.matched(kinds.DEGREES, lambda m: rf"{m['number']}\,^\circ"),
    # tuples and points
    "tuple without spaces": kinds.point(lambda p: f"({','.join(p)})"),
    "tuple with left": kinds.point(lambda p: rf"\left({', '.join(p)}\right)"),
    "tuple with big": kinds.point(lambda p: rf"\big({', '.join(p)}\big)"),
    "tuple thin": kinds.point(lambda p: "(" + r",\, ".join(p) + ")"),
    "tuple named": lambda g: (
        f"(x, y) = {g}" if kinds.TUPLE.fullmatch(g) and g.count(",") == 1 and "infty" not in g else None
    ),
    "tuple of a point": lambda g: f"P = {g}" if kinds.TUPLE.fullmatch(g) and "infty" not in g else None,
    "tuple in words": lambda g: rf"\text{{the point }} {g}" if kinds.TUPLE.fullmatch(g) and "infty" not in g else None,
    "tuple dfrac": lambda g: g.replace(r"\frac", r"\dfrac") if kinds.TUPLE.fullmatch(g) and r"\frac" in g else None,
    # intervals
    "relation": kinds.interval(lambda *i: _relation(*i)),
    "relation leq": kinds.interval(lambda *i: _relation(*i, le=r"\leq")),
    "relation sign": kinds.interval(lambda *i: _relation(*i).replace(r"\le", "≤").replace(r"\ge", "≥")),
    "member": kinds.interval(lambda a, low, high, b: rf"x \in {a}{low}, {high}{b}"),
    "builder": kinds.interval(lambda *i: rf"\{{x \mid {_relation(*i)}\}}"),
    "sized interval": kinds.interval(lambda a, low, high, b: rf"\left{a}{low},\ {high}\right{b}"),
    "infinity sign": lambda g: g.replace(r"\infty", "∞") if "infty" in g else None,
    "cup sign": lambda g: g.replace(r"\cup", "∪") if "cup" in g else None,
    "member of a union": lambda g: rf"x \in {g}" if "cup" in g else None,
    # words and options
    "bare word": kinds.matched(kinds.WORD, lambda m: m["word"]),
    "bold word": kinds.matched(kinds.WORD, lambda m: rf"\textbf{{{m['word']}}}"),
    "roman word": kinds.matched(kinds.WORD, lambda m: rf"\mathrm{{{m['word']}}}"),
    "small word": kinds.matched(kinds.WORD, lambda m: rf"\text{{{m['word'].lower()}}}"),
    "capital word": kinds.matched(kinds.WORD, lambda m: rf"\text{{{m['word'].capitalize()}}}"),
    "word with a stop": kinds.matched(kinds.WORD, lambda m: rf"\text{{{m['word']}.}}"),
    "letter": kinds.matched(kinds.OPTION, lambda m: m["letter"]),
    "letter in text": kinds.matched(kinds.OPTION, lambda m: rf"\text{{{m['letter']}}}"),
    "letter in brackets": kinds.matched(kinds.OPTION, lambda m: f"({m['letter']})"),
    "bold letter": kinds.matched(kinds.OPTION, lambda m: rf"\textbf{{({m['letter']})}}"),
    "roman letter": kinds.matched(kinds.OPTION, lambda m: rf"\mathrm{{({m['letter']})}}"),
    "option": kinds.matched(kinds.OPTION, lambda m: rf"\text{{Option {m['letter']}}}"),
    "letter with its text": kinds.matched(kinds.OPTION, lambda m: rf"\textbf{{({m['letter']})}}\ 12"),
    # bases, complex numbers, lists, matrices
    "braced base": kinds.matched(kinds.BASED, lambda m: f"{m['digits']}_{{{m['base']}}}"),
    "base in brackets": kinds.matched(kinds.BASED, lambda m: f"({m['digits']})_{{{m['base']}}}"),
    "base text": kinds.matched(kinds.BASED, lambda m: rf"{m['digits']}_{{\text{{{kinds.WORDS[int(m['base'])]}}}}}"),
    "base ten text": kinds.matched(kinds.BASED, lambda m: rf"{m['digits']}_\text{{{kinds.WORDS[int(m['base'])]}}}"),
    "base left out": kinds.matched(kinds.BASED, lambda m: m["digits"]),
    "base in words": kinds.matched(kinds.BASED, lambda m: rf"{m['digits']} \text{{ (base }} {m['base']})"),
    "imaginary first": kinds.matched(
        kinds.COMPLEX,
        lambda m: f"{m['sign'].replace('+', '')}{m['imaginary']}i {'' if m['real'][0] == '-' else '+'} {m['real']}",
    ),
    "roman i": kinds.matched(kinds.COMPLEX, lambda m: rf"{m['real']} {m['sign']} {m['imaginary']}\mathrm{{i}}"),
    "complex name": kinds.matched(kinds.COMPLEX, lambda m: f"z = {m[0]}"),
    "complex brackets": kinds.matched(kinds.COMPLEX, lambda m: f"({m[0]})"),
    "numbers backwards": kinds.matched(
        kinds.NUMBERS, lambda m: ", ".join(reversed([p.strip() for p in m[0].split(",")]))
    ),
    "numbers and": kinds.matched(
        kinds.NUMBERS, lambda m: r" \text{ and } ".join(m[0].split(",")) if m[0].count(",") == 1 else None
    ),
    "numbers or": kinds.matched(
        kinds.NUMBERS, lambda m: r" \text{ or } ".join(m[0].split(",")) if m[0].count(",") == 1 else None
    ),
    "numbers named": kinds.matched(kinds.NUMBERS, lambda m: "x = " + r" \text{ or } x = ".join(m[0].split(","))),
    "numbers with subscripts": kinds.matched(
        kinds.NUMBERS, lambda m: ", ".join(f"x_{i} = {p.strip()}" for i, p in enumerate(m[0].split(","), 1))
    ),
    "set": kinds.matched(kinds.NUMBERS, lambda m: rf"\{{{m[0]}\}}"),
    "numbers thin": kinds.matched(kinds.NUMBERS, lambda m: r",\; ".join(p.strip() for p in m[0].split(","))),
    "numbers member": kinds.matched(kinds.NUMBERS, lambda m: rf"x \in \{{{m[0]}\}}"),
    "square matrix": kinds.matched(kinds.MATRIX, lambda m: rf"\begin{{bmatrix}}{m['rows']}\end{{bmatrix}}"),
    "array": kinds.matched(
        kinds.MATRIX,
        lambda m: rf"\left(\begin{{array}}{{{_columns(m['rows'])}}}{m['rows']}\end{{array}}\right)",
    ),
    "matrix name": kinds.matched(kinds.MATRIX, lambda m: rf"\mathbf{{v}} = {m[0]}"),
    "matrix with fractions": kinds.matched(
        kinds.MATRIX, lambda m: re.sub(r"(-?)([0-9]+)/([0-9]+)", r"\1\\frac{\2}{\3}", m[0]) if "/" in m[0] else None
    ),
    "matrix lines": kinds.matched(kinds.MATRIX, lambda m: m[0].replace("\\\\", "\\\\\n")),
    # other numbers
    "money without sign": kinds.matched(kinds.MONEY, lambda m: m["number"].replace("\\!", "")),
    "money in words": kinds.matched(kinds.MONEY, lambda m: rf"{m['number']}\text{{ dollars}}"),
    "money signed twice": kinds.matched(kinds.MONEY, lambda m: rf"\$ {m['number'].replace(chr(92) + '!', '')}"),
    "mixed as fraction": kinds.matched(
        kinds.MIXED, lambda m: rf"\frac{{{int(m['whole']) * int(m['bottom']) + int(m['top'])}}}{{{m['bottom']}}}"
    ),
    "mixed as decimal": kinds.matched(
        kinds.MIXED, lambda m: kinds.number_text(int(m["whole"]) + Fraction(int(m["top"]), int(m["bottom"])))
    ),
    "ungrouped": kinds.matched(kinds.GROUPED, lambda m: re.sub("[^0-9]", "", m[0])),
    "grouped plainly": kinds.matched(kinds.GROUPED, lambda m: re.sub(r"\\!|\s", "", m[0])),
    "zero before the point": kinds.matched(kinds.DECIMAL, lambda m: f"{float(m[0]):.7f}".rstrip("0")),
    "decimal as fraction": kinds.matched(
        kinds.DECIMAL, lambda m: rf"\frac{{{Fraction(m[0]).numerator}}}{{{Fraction(m[0]).denominator}}}"
    ),
    "trailing zero": kinds.matched(kinds.DECIMAL, lambda m: f"{m[0]}0"),
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

r"""Sentences and forms that were written after those of the other modules had been tried and mended by."""

import re

import gold_kinds as kinds

SENTENCES = {
    "llama": "Step 3: Conclude\nWe have 3 cases.\n\nThe final answer is: $\\boxed{%s}$",
    "therefore colon": "Therefore:\n\n$$\\boxed{%s}$$",
    "star heading": "***Final Answer***: \\(\\boxed{%s}\\)",
    "hence required": "Hence, the required value is \\[\\boxed{%s}.\\]",
    "so we have": "so we have\n\\begin{equation*}\n\\boxed{%s}\n\\end{equation*}",
    "align box": "\\begin{aligned}\nx &= 4 - 2 \\\\\n  &= \\boxed{%s}\n\\end{aligned}",
    "list": "1. First add 3.\n2. Then multiply by 4.\n3. The result: \\boxed{%s}",
    "quote": "> **Answer**\n> $\\boxed{%s}$",
    "thus bf": "Thus, $\\mathbf{\\boxed{%s}}$ is our answer.",
    "hyphen": "- The answer is thus: $\\boxed{%s}$",
    "gpt-oss": "<|channel|>analysis<|message|>We try 5 \\boxed{5}<|end|><|start|>"
    "assistant<|channel|>final<|message|>The value is \\(\\boxed{%s}\\).",
    "magistral": "[THINK]maybe \\boxed{7}[/THINK]The answer is $\\boxed{%s}$.",
    "verified": "$\\boxed{%s}$\n\nThis matches what we found by brute force (checked 100 values).",
    "answer fullstop": "Answer. $%s$.",
    "sol": "Solution: we get $%s$. So the answer is $%s$.",
    "our answer": "So our answer is $%s$.",
    "final result": "**Final Result:** $%s$",
    "therefore it": "It follows that the answer to the question is $%s$.",
    "correct answer": "The correct answer is therefore $%s$.",
    "simplified": "which simplifies to $%s$.",
    "equals end": "Putting all this together gives\n$$X = %s$$",
    "result br": "Result: \\(%s\\)",
    "the value": "The value of the expression is \\(%s\\).",
    "conclude": "We conclude that the answer is \\( %s \\), as desired.",
    "qed": "The final answer is $%s$. \\blacksquare",
    "final paren": "Final answer: $%s$ (exact value).",
    "latex display": "The answer is\n\n\\[\n%s\n\\]",
    "one line": "answer: %s",
    "is bold": "The final answer is: **%s**",
}

FORMS: dict[str, kinds.Change] = {
    "frac with spaces": kinds.fraction(lambda s, a, b: rf"{s}\frac {{{a}}} {{{b}}}"),
    "text frac": kinds.fraction(lambda s, a, b: rf"{s}\frac{{\text{{{a}}}}}{{\text{{{b}}}}}"),
    "over": kinds.fraction(lambda s, a, b: rf"{s}{{{a} \over {b}}}"),
    "factor frac": kinds.fraction(lambda s, a, b: rf"{s}{a} \cdot \frac{{1}}{{{b}}}"),
    "doubled": kinds.fraction(lambda s, a, b: rf"{s}\frac{{{2 * a}}}{{{2 * b}}}"),
    "frac eq dec": kinds.fraction(lambda s, a, b: rf"{s}\frac{{{a}}}{{{b}}} \approx {s}{a / b:.3f}\ldots"),
    "r equals": kinds.fraction(lambda s, a, b: rf"r = {s}\frac{{{a}}}{{{b}}}"),
    "k colon": kinds.integer(lambda n: rf"k: {n}"),
    "n points": kinds.integer(lambda n: rf"{n}\ \text{{points}}"),
    "units2": kinds.integer(lambda n: rf"{n} \; \text{{units}}^2"),
    "mathrm cm": kinds.integer(lambda n: rf"{n}\,\mathrm{{cm}}"),
    "thus n": kinds.integer(lambda n: rf"n = {n - 1} + 1 = {n}"),
    "difference": kinds.integer(lambda n: rf"{n + 7} - 7 = {n}"),
    "negfrac": kinds.integer(lambda n: rf"-\frac{{{-n}}}{{1}}"),
    "log": kinds.integer(lambda n: rf"\log_{{2}} 2^{{{n}}} = {n}" if 0 < n < 50 else None),
    "floor": kinds.integer(lambda n: rf"\lfloor {n}.5 \rfloor = {n}" if n >= 0 else None),
    "sumd": kinds.integer(lambda n: rf"\sum = {n}"),
    "cardinality": kinds.integer(lambda n: rf"|S| = {n}"),
    "prime": kinds.integer(lambda n: rf"f'(2) = {n}"),
    "det": kinds.integer(lambda n: rf"\det A = {n}"),
    "deg": kinds.integer(lambda n: rf"\deg p = {n}"),
    "gcd": kinds.integer(lambda n: rf"\gcd(a,b) = {n}" if n > 0 else None),
    "minus": kinds.matched(re.compile("-[0-9]+"), lambda m: "- " + m[0][1:]),
    "point xyz": kinds.point(
        lambda p: f"(x,y,z) = ({', '.join(p)})" if len(p) == 3 and not any("infty" in q for q in p) else None
    ),
    "point letters": kinds.point(
        lambda p: (
            ", ".join(f"{c} = {v}" for c, v in zip("xyz", p, strict=False))
            if len(p) in (2, 3) and not any("infty" in q for q in p)
            else None
        )
    ),
    "pi over": lambda g: g.replace(r"\pi", r"{\pi}") if r"\pi" in g else None,
    "sqrt brace": lambda g: re.sub(r"\\sqrt\{([0-9]+)\}", r"\\sqrt {\1}", g) if "sqrt{" in g else None,
    "sqrt half": kinds.matched(kinds.ROOT, lambda m: rf"{m['number']}\cdot {m['inside']}^{{\frac{{1}}{{2}}}}"),
    "deg hyphen": kinds.matched(kinds.DEGREES, lambda m: f"{m['number']}-degree"),
    "deg words": kinds.matched(kinds.DEGREES, lambda m: f"{m['number']} degrees"),
    "x in interval": kinds.interval(lambda a, low, high, b: rf"\text{{The interval is }} {a}{low}, {high}{b}"),
    "it is word": kinds.matched(kinds.WORD, lambda m: rf"\boldsymbol{{\text{{{m['word']}}}}}"),
    "word quote": kinds.matched(kinds.WORD, lambda m: f"“{m['word']}”"),
    "opt bracket": kinds.matched(kinds.OPTION, lambda m: f"[{m['letter']}]"),
    "opt dot": kinds.matched(kinds.OPTION, lambda m: f"{m['letter']}."),
    "mat left": kinds.matched(kinds.MATRIX, lambda m: rf"\left( \begin{{matrix}}{m['rows']}\end{{matrix}} \right)"),
    "mat small": kinds.matched(
        kinds.MATRIX, lambda m: rf"\begin{{bmatrix}}{m['rows'].replace('&', ' & ')}\end{{bmatrix}}"
    ),
    "list set names": kinds.matched(kinds.NUMBERS, lambda m: rf"x \in \left\{{{m[0]}\right\}}"),
    "list comma and": kinds.matched(kinds.NUMBERS, lambda m: ", and ".join(m[0].rsplit(",", 1))),
    "cplx": kinds.matched(kinds.COMPLEX, lambda m: rf"{m['real']} {m['sign']} {m['imaginary']} i"),
    "cplx dot": kinds.matched(
        kinds.COMPLEX, lambda m: rf"{m['real']}{m['sign']}{m['imaginary']}\cdot i" if m["imaginary"] else None
    ),
    "base sub": kinds.matched(kinds.BASED, lambda m: rf"{m['digits']}_{{({m['base']})}}"),
    "money usd": kinds.matched(kinds.MONEY, lambda m: m["number"].replace("\\!", "") + " USD"),
    "dec frac": kinds.matched(kinds.DECIMAL, lambda m: f"{float(m[0]):.7f}".rstrip("0") + "0"),
}


def completions(gold: str) -> dict[str, str]:
    """The gold answer in every sentence, and each of its forms in three of them."""
    names = sorted(SENTENCES)
    found = {f"sentence: {name}": SENTENCES[name].replace("%s", gold) for name in names}
    for number, (form, change) in enumerate(FORMS.items()):
        text = change(gold)
        for turn in range(3 if text else 0):
            name = names[(3 * number + len(gold) + 11 * turn) % (len(names) - 2)]
            found[f"form: {form} {turn}"] = SENTENCES[name].replace("%s", str(text))
    return found

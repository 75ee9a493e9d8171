/* A table as it is shown, in its order and with what is filtered away left out, as a CSV or LaTeX file. */

const INTERVAL = /^(\S+) \[(\S+), (\S+)\]$/;
const FORMULA = /^'*[=+\-@\t]/; // a text that a spreadsheet would run
const LATEX = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "−": "$-$", "°": "$^\\circ$" };
const escapedLatex = (text) => text.replace(/[\\~^−°&%$#_{}]/g, (letter) => LATEX[letter] ?? `\\${letter}`);

/* Return {headings, numeric, rows}: what the eye sees of a table. */
function shownOf(table) {
  const seen = (node) => !node.hidden && !node.closest("[hidden]") && getComputedStyle(node).display !== "none";
  const head = [...table.tHead.rows[0].cells].filter(seen);
  const places = head.map((cell) => cell.cellIndex);
  const text = (cell) => (cell?.dataset.text ?? cell?.innerText ?? "").replace(/\s+/g, " ").trim();
  return {
    headings: head.map(text),
    numeric: head.map((cell) => cell.classList.contains("number")),
    rows: [...table.tBodies[0].rows].filter(seen).map((row) => places.map((place) => text(row.cells[place]))),
  };
}

const plainNumber = (text) => {
  const number = text.replaceAll("−", "-").replaceAll(/(?<=\d)[\u202f\u00a0 ](?=\d)/g, "");
  return /^[+-]?[\d.]+(e[+-]?\d+)?$/.test(number) ? number.replace(/^\+/, "") : null;
};

/* An interval takes three columns, and numbers are written as programs read them. */
function toCsv({ headings, rows }) {
  const wide = headings.map((_, i) => rows.some((row) => INTERVAL.test(row[i])));
  const split = (text) => INTERVAL.exec(text)?.slice(1) ?? [text, "", ""];
  const field = (text) => {
    const value = plainNumber(text) ?? (FORMULA.test(text) ? `'${text}` : text);
    return /[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
  };
  const line = (cells, ends) => cells.flatMap((cell, i) => (wide[i] ? ends(cell) : [cell])).map(field).join(",");
  const head = line(headings.map((text) => text.replace(" [95 %]", "")), (text) => [text, `${text} low`, `${text} high`]);
  return [head, ...rows.map((row) => line(row, split))].join("\n") + "\n";
}

/* A tabular with the rules of booktabs; numbers are aligned to the right. */
function toLatex({ headings, numeric, rows }) {
  const line = (cells) => `${cells.map((cell) => escapedLatex(cell)).join(" & ")} \\\\`;
  const alignment = numeric.map((right) => (right ? "r" : "l")).join("");
  return [`\\begin{tabular}{${alignment}}`, "\\toprule", line(headings), "\\midrule", ...rows.map(line), "\\bottomrule", "\\end{tabular}"].join("\n") + "\n";
}

function save(name, type, text) {
  const link = el("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/* Buttons that save a table as it is when they are pressed. */
function exports(caption, table) {
  const name = caption.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 60).replace(/^-|-$/g, "");
  const button = (label, ending, type, write) =>
    el("button", { type: "button", "aria-label": `${caption}: save as ${label}`, on: { click: () => save(`${name}.${ending}`, type, write(shownOf(table))) } }, label);
  return el("p", { class: "export" }, "Save as ", button("CSV", "csv", "text/csv", toCsv), " ", button("LaTeX", "tex", "application/x-tex", toLatex));
}

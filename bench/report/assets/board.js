/* The leaderboard table: sorting by its headings, the filter, the comparison that is shown.
   Unranked rows that outnumber the ranked ones are folded away until they are asked for or filtered. */

const NAMES = 3; // columns that say what a row is: method, comparison, group

/* The rows of the table as the filter sees them. */
function boardLines(body) {
  return [...body.rows].map((node) => {
    const place = Number(node.dataset.place);
    const { values } = DATA.rows[place];
    const line = { node, place, text: node.textContent.toLowerCase(), kind: node.className || "ranked" };
    return { ...line, value: (name) => values[COLUMN[name]] ?? null };
  });
}

/* The filter's test; what is wrong with it is said beside it, and then no row is left out. */
function filterOf(text) {
  const input = document.getElementById("search");
  const said = document.getElementById("filter-error");
  const columns = new Map(DATA.columns.map(({ name, kind }) => [name, ["text", "json"].includes(kind)]));
  let test = () => true;
  said.textContent = "";
  try {
    test = parseExpression(text, columns);
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    said.textContent = error.message;
  }
  input.toggleAttribute("aria-invalid", said.textContent !== "");
  if (said.textContent) input.setAttribute("aria-invalid", "true");
  return test;
}

function sortLines(heading, lines, headings) {
  const numeric = "numeric" in heading.dataset;
  const value = (line) => {
    const cell = line.node.cells[heading.cellIndex];
    const text = numeric ? cell.dataset.value : cell.textContent.trim().toLowerCase();
    return text === undefined || text === "" ? undefined : numeric ? Number(text) : text;
  };
  const now = heading.getAttribute("aria-sort");
  const next = now ? (now === "ascending" ? "descending" : "ascending") : numeric ? "descending" : "ascending";
  for (const other of headings) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", next);
  const compare = next === "ascending" ? d3.ascending : d3.descending;
  const keyed = lines.map((line) => [value(line), line]);
  const empty = keyed.filter(([key]) => key === undefined); // rows without a value stay last
  const filled = keyed.filter(([key]) => key !== undefined).sort(([a], [b]) => compare(a, b));
  lines[0]?.node.parentElement.append(...[...filled, ...empty].map(([, line]) => line.node));
}

function hideEmptyColumns(headings, lines, members) {
  for (const heading of headings.slice(NAMES)) {
    const column = heading.cellIndex;
    const empty = members.every((line) => line.node.cells[column].textContent.trim() === "");
    for (const node of [heading, ...lines.map((line) => line.node.cells[column])]) node.hidden = empty;
  }
}

/* Say in words what is shown, and show only what belongs to the comparison. */
function tellOf(chosen, matching, members) {
  const comparison = DATA.comparisons.find((found) => found.name === chosen);
  for (const node of document.querySelectorAll(".headline[data-comparison], .statements")) node.hidden = node.dataset.comparison !== chosen;
  document.getElementById("apart").hidden = chosen === "";
  document.querySelector("[data-hint]").hidden = chosen !== "";
  document.getElementById("printed").textContent = comparison ? `${comparison.where}: ${comparison.called}` : "";
  const range = comparison?.drawn ? `; intervals are drawn from ${percent(comparison.drawn[0])} to ${percent(comparison.drawn[1])} %` : "";
  document.getElementById("count").textContent = `${matching} of ${members} rows${range}`;
}

function startBoard(onChoose) {
  const table = document.getElementById("rows");
  const headings = [...table.tHead.rows[0].cells];
  const lines = boardLines(table.tBodies[0]);
  const search = document.getElementById("search");
  const unranked = document.getElementById("unranked");
  let chosen = startChoice((name) => { chosen = name; show(); onChoose(name); });

  function show() {
    const test = filterOf(search.value);
    const filtered = search.value.trim() !== "";
    const members = lines.filter((line) => chosen === "" || line.node.dataset.comparison === chosen);
    const extra = members.filter((line) => line.kind === "unranked").length;
    const ranked = members.filter((line) => line.kind === "ranked").length;
    const foldable = 0 < ranked && ranked < extra;
    const folded = foldable && !unranked.checked && !filtered;
    const matching = new Set(members.filter((line) => !(folded && line.kind === "unranked") && test(line)));
    for (const line of lines) line.node.hidden = !matching.has(line);
    unranked.nextElementSibling.textContent = `with ${extra} unranked row${extra === 1 ? "" : "s"}`;
    document.getElementById("fold").hidden = !foldable;
    table.classList.toggle("all", chosen === "");
    hideEmptyColumns(headings, lines, members);
    table.parentElement.classList.toggle("long", matching.size > 2 * LONG);
    tellOf(chosen, matching.size, members.length);
  }

  for (const { node, place } of lines) {
    node.cells[0].prepend(swatch("method", nameOf(place)));
    node.style.setProperty("--own", colourOf("method", nameOf(place)));
  }
  for (const heading of headings) heading.querySelector("button").addEventListener("click", () => sortLines(heading, lines, headings));
  search.value = address.filter ?? "";
  search.addEventListener("input", () => { keep({ filter: search.value }); show(); });
  unranked.addEventListener("input", show);
  document.getElementById("controls").addEventListener("submit", (event) => event.preventDefault());
  table.tBodies[0].addEventListener("click", (event) => {
    const button = event.target.closest("button.open");
    if (button) openDetails(Number(button.closest("tr").dataset.place));
  });
  table.parentElement.after(exports("Leaderboard", table));
  show();
  return chosen;
}

/* The leaderboard table: sorting by its headings, the search box, the comparison that is shown.
   Unranked rows that outnumber the ranked ones are folded away until they are asked for or searched. */

const NAMES = 3; // columns that say what a row is: method, comparison, group

function startBoard(onChoose) {
  const table = document.getElementById("rows");
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  const lines = [...body.rows].map((node) => ({ node, text: node.textContent.toLowerCase(), kind: node.className || "ranked" }));
  const select = document.getElementById("comparison");
  const search = document.getElementById("search");
  const unranked = document.getElementById("unranked");

  const value = (line, column, numeric) => {
    const cell = line.node.cells[column];
    const text = numeric ? cell.dataset.value : cell.textContent.trim().toLowerCase();
    if (text === undefined || text === "") return undefined;
    return numeric ? Number(text) : text;
  };

  function sortBy(heading) {
    const column = heading.cellIndex;
    const numeric = "numeric" in heading.dataset;
    const now = heading.getAttribute("aria-sort");
    const next = now ? (now === "ascending" ? "descending" : "ascending") : numeric ? "descending" : "ascending";
    for (const other of headings) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", next);
    const compare = next === "ascending" ? d3.ascending : d3.descending;
    const keyed = lines.map((line) => [value(line, column, numeric), line]);
    const empty = keyed.filter(([key]) => key === undefined);
    const filled = keyed.filter(([key]) => key !== undefined).sort(([a], [b]) => compare(a, b));
    body.append(...[...filled, ...empty].map(([, line]) => line.node)); // rows without a value stay last
  }

  function hideEmptyColumns(members) {
    for (const heading of headings.slice(NAMES)) {
      const column = heading.cellIndex;
      const empty = members.every((line) => line.node.cells[column].textContent.trim() === "");
      for (const node of [heading, ...lines.map((line) => line.node.cells[column])]) node.hidden = empty;
    }
  }

  function show() {
    const chosen = select.value;
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const members = lines.filter((line) => chosen === "" || line.node.dataset.comparison === chosen);
    const extra = members.filter((line) => line.kind === "unranked").length;
    const ranked = members.filter((line) => line.kind === "ranked").length;
    const foldable = 0 < ranked && ranked < extra;
    const folded = foldable && !unranked.checked && !words.length;
    const matches = (line) => !(folded && line.kind === "unranked") && words.every((word) => line.text.includes(word));
    const matching = new Set(members.filter(matches));
    for (const line of lines) line.node.hidden = !matching.has(line);
    unranked.nextElementSibling.textContent = `with ${extra} unranked row${extra === 1 ? "" : "s"}`;
    document.getElementById("fold").hidden = !foldable;
    table.classList.toggle("all", chosen === "");
    hideEmptyColumns(members);
    table.parentElement.classList.toggle("long", matching.size > 2 * LONG);
    for (const node of document.querySelectorAll(".headline, .statements")) node.hidden = node.dataset.comparison !== chosen;
    document.getElementById("apart").hidden = chosen === "";
    document.querySelector("[data-hint]").hidden = chosen !== "";
    document.getElementById("printed").textContent = select.selectedOptions[0]?.textContent ?? "";
    document.getElementById("count").textContent = `${matching.size} of ${members.length} rows`;
  }

  for (const heading of headings) heading.querySelector("button").addEventListener("click", () => sortBy(heading));
  for (const control of [search, unranked]) control.addEventListener("input", show);
  select.addEventListener("change", () => { show(); onChoose(select.value); });
  document.getElementById("controls").addEventListener("submit", (event) => event.preventDefault());
  body.addEventListener("click", (event) => {
    const button = event.target.closest("button.open");
    if (button) openDetails(Number(button.closest("tr").dataset.place));
  });
  show();
  return select.value;
}

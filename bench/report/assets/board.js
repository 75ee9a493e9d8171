/* The leaderboard table: sorting by its headings, the search box, the comparison that is shown. */

function startBoard(onChoose) {
  const table = document.getElementById("rows");
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  const lines = [...body.rows].map((node) => ({ node, text: node.textContent.toLowerCase() }));
  const select = document.getElementById("comparison");
  const search = document.getElementById("search");

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

  function show() {
    const chosen = select.value;
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0, all = 0;
    for (const line of lines) {
      const member = chosen === "" || line.node.dataset.comparison === chosen;
      line.node.hidden = !member || !words.every((word) => line.text.includes(word));
      all += member;
      shown += !line.node.hidden;
    }
    table.classList.toggle("all", chosen === "");
    for (const list of document.querySelectorAll(".statements")) list.hidden = list.dataset.comparison !== chosen;
    document.querySelector("[data-hint]").hidden = chosen !== "";
    document.getElementById("count").textContent = `${shown} of ${all} rows`;
  }

  for (const heading of headings) heading.querySelector("button").addEventListener("click", () => sortBy(heading));
  search.addEventListener("input", show);
  select.addEventListener("change", () => { show(); onChoose(select.value); });
  document.getElementById("controls").addEventListener("submit", (event) => event.preventDefault());
  body.addEventListener("click", (event) => {
    const button = event.target.closest("button.open");
    if (button) openDetails(Number(button.closest("tr").dataset.place));
  });
  show();
  return select.value;
}

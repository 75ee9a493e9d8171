/* What a row of the leaderboard opens to. It is built when it is opened. */

const plainText = (value) => {
  if (typeof value === "number") return short(value);
  if (Array.isArray(value)) return value.map(plainText).join(", ");
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (value && typeof value === "object") return Object.entries(value).map(([k, v]) => `${k} ${plainText(v)}`).join(", ");
  return String(value);
};

const facts = (entries) =>
  el(
    "dl",
    { class: "facts" },
    ...entries
      .filter(([, value]) => defined(value) && value !== "")
      .map(([name, value]) => el("div", {}, el("dt", {}, name.replaceAll("_", " ")), el("dd", {}, plainText(value)))),
  );

function showDialog(title, note, ...content) {
  const dialog = document.getElementById("details");
  const close = el("button", { type: "button", class: "plain", on: { click: () => dialog.close() } }, "Close");
  dialog.replaceChildren(
    el("header", {}, el("div", {}, el("h2", { id: "details-title", tabindex: "-1" }, title), el("p", { class: "note" }, note)), close),
    el("div", {}, ...content),
  );
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

/* The whole row: its runs, how to train it again, all its columns. */
function openDetails(place) {
  const row = DATA.rows[place];
  const value = (name) => row.values[COLUMN[name]];
  keep({ run: "" });
  showDialog(
    value("method"), value("comparison"),
    ...runsOf(place),
    ...reproduction(row),
    el("h3", {}, "All columns of the leaderboard"),
    facts(DATA.columns.map((column, i) => [column.name, columnText(column, row.values[i])])),
  );
}

function columnText(column, value) {
  if (!defined(value)) return null;
  if (column.kind === "fraction") return `${percent(value)} %`;
  if (column.kind === "count") return grouped(value);
  return value;
}

function runsOf(place) {
  const row = DATA.rows[place];
  if (!row.runs) return [el("p", { class: "note" }, "The untrained base: it has no runs of its own.")];
  const seconds = (run) => d3.sum(Object.entries(run.seconds || {}), ([name, value]) => (name.includes("/") ? 0 : value));
  const columns = ["run", "status", "test, %", "validation, %", "tokens", "seconds", "memory, MB", "cell"];
  const table = dataTable(
    "Runs",
    columns.map((label, i) => ({ label, numeric: i > 1 && i < 7 })),
    row.runs.map((run) => [
      el("th", { scope: "row" }, el("button", { type: "button", class: "open", on: { click: () => openRun(place, run) } }, `seed ${run.seed}`)),
      run.collapse ? `${run.status}: ${run.collapse}` : run.status,
      percent(run.test),
      percent(run.validation),
      grouped(run.tokens),
      run.seconds ? grouped(seconds(run)) : "",
      defined(run.memory) ? grouped(run.memory / 1e6) : "",
      run.cell,
    ]),
  );
  return [el("h3", {}, "Runs"), el("p", { class: "note" }, "A run opens to its curves, its completions and its record."), table];
}

function reproduction(row) {
  if (!row.command) return [];
  const file = `${DATA.heads[row.head]}\n${row.method}`;
  return [
    el("h3", {}, "Train it again"),
    el("p", { class: "note" }, "Save this as again.toml; a task with a data set also needs --data-dir."),
    el("pre", {}, row.command),
    el("details", {}, el("summary", {}, "again.toml"), el("pre", {}, file)),
  ];
}

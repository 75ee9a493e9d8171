/* What a row opens to. It is built when it is opened. */

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

function openDetails(place) {
  const row = DATA.rows[place];
  const value = (name) => row.values[COLUMN[name]];
  const dialog = document.getElementById("details");
  const close = el("button", { type: "button", class: "plain", on: { click: () => dialog.close() } }, "Close");
  dialog.replaceChildren(
    el(
      "header",
      {},
      el("div", {}, el("h2", { id: "details-title" }, value("method")), el("p", { class: "note" }, value("comparison"))),
      close,
    ),
    el(
      "div",
      {},
      ...runsOf(row),
      ...reproduction(row),
      ...completions(row),
      el("h3", {}, "All columns of the leaderboard"),
      facts(DATA.columns.map((column, i) => [column.name, columnText(column, row.values[i])])),
      ...settings(row),
    ),
  );
  dialog.showModal();
  dialog.scrollTop = 0;
}

function columnText(column, value) {
  if (!defined(value)) return null;
  if (column.kind === "fraction") return `${percent(value)} %`;
  if (column.kind === "count") return grouped(value);
  return value;
}

function runsOf(row) {
  if (!row.runs) return [el("p", { class: "note" }, "The untrained base: it has no runs of its own.")];
  const seconds = (run) => d3.sum(Object.entries(run.seconds || {}), ([name, value]) => (name.includes("/") ? 0 : value));
  const columns = ["seed", "status", "test, %", "validation, %", "tokens", "seconds", "memory, MB", "cell"];
  const table = dataTable(
    "Runs",
    columns.map((label, i) => ({ label, numeric: i > 1 && i < 7 })),
    row.runs.map((run) => [
      String(run.seed),
      run.collapse ? `${run.status}: ${run.collapse}` : run.status,
      percent(run.test),
      percent(run.validation),
      grouped(run.tokens),
      run.seconds ? grouped(seconds(run)) : "",
      defined(run.memory) ? grouped(run.memory / 1e6) : "",
      run.cell,
    ]),
  );
  const causes = row.runs.filter((run) => run.cause).flatMap((run) => [
    el("h3", {}, `Seed ${run.seed}: ${run.cause.type}`),
    el("p", {}, [run.cause.message, run.cause.fix].filter(Boolean).join("; ")),
    run.cause.tail.length ? el("pre", {}, run.cause.tail.join("\n")) : null,
  ]);
  return [el("h3", {}, "Runs"), table, ...causes];
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

function completions(row) {
  if (!row.samples) return [];
  const shown = row.samples.map((sample) =>
    el(
      "div",
      { class: sample.reason === "correct" ? "sample" : "sample wrong" },
      el("p", {}, el("strong", {}, sample.reason), sample.question ? ` · asked: ${sample.question}` : ""),
      el("pre", {}, sample.completion),
      el(
        "p",
        { class: "note" },
        [
          `read as: ${sample.parsed ?? "no answer"}`,
          defined(sample.answer) ? `right: ${sample.answer}` : null,
          sample.finish === "length" ? "cut off at the length limit" : null,
        ].filter(Boolean).join(" · "),
      ),
    ),
  );
  return [el("h3", {}, `Greedy completions, seed ${row.samples[0].seed}`), ...shown];
}

function settings(row) {
  if (!row.runs) return [];
  const first = row.runs[0];
  const environments = [...new Set(row.runs.map((run) => run.environment))].map((place) => DATA.environments[place]);
  const attested = (run) => Object.entries(run.attestation || {});
  return [
    el("h3", {}, `Attestation, seed ${first.seed}`),
    attested(first).length ? facts(attested(first)) : el("p", { class: "note" }, "This run has none."),
    el("h3", {}, "Cost by stage, seconds"),
    facts(Object.entries(first.seconds || {})),
    ...(first.rollout ? [el("h3", {}, "Rollouts"), facts(Object.entries(first.rollout))] : []),
    ...environments.flatMap((environment) => [el("h3", {}, "Environment"), facts(Object.entries(environment))]),
  ];
}

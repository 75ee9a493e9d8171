/* A run's own page: its curves beside those of the other seeds, completions of its model, and what its record holds. */

function openRun(place, run) {
  const method = nameOf(place);
  keep({ run: run.cell });
  showDialog(
    `${method}, seed ${run.seed}`, `${valueOf(place, "comparison")}, cell ${run.cell}`,
    el("p", {}, el("button", { type: "button", class: "plain", on: { click: () => openDetails(place) } }, `All runs of ${method}`)),
    facts([["status", run.collapse ? `${run.status}: ${run.collapse}` : run.status], ["test, %", percent(run.test)], ["validation, %", percent(run.validation)], ["tokens", grouped(run.tokens)]]),
    ...causeOf(run),
    ...curvesOf(place, run),
    ...completionsOf(run),
    ...recordOf(run),
  );
  document.getElementById("details-title").focus();
}

/* Open the run that the address names. */
function openNamedRun() {
  if (!address.run) return;
  DATA.rows.forEach((row, place) => {
    const run = row.runs?.find((each) => each.cell === address.run);
    if (run) openRun(place, run);
  });
}

function causeOf({ cause }) {
  if (!cause) return [];
  return [
    el("h3", {}, cause.type),
    el("p", {}, [cause.message, cause.fix].filter(Boolean).join("; ")),
    cause.tail.length ? el("pre", {}, cause.tail.join("\n")) : "",
  ];
}

/* The only run of a row has the row's curves. */
const ownCurves = (row, run) => (row.runs.length > 1 ? run.curves : row.curves) ?? {};

function curvesOf(place, run) {
  const row = DATA.rows[place];
  const metrics = Object.keys(DATA.metrics).filter((metric) => ownCurves(row, run)[metric]);
  if (!metrics.length) return [el("p", { class: "note" }, "This run has no steps.")];
  const width = Math.min(900, document.documentElement.clientWidth - 80);
  return [
    el("h3", {}, "Curves"),
    el("p", { class: "note" }, "This run in colour, the other seeds in grey. Each point is a mean over several steps."),
    inColumns(width, 260, metrics, (metric, each) => figure(DATA.metrics[metric], null, runPicture(place, run, metric, each))),
  ];
}

function runPicture(place, run, metric, width) {
  const row = DATA.rows[place];
  const line = (each) => {
    const curve = ownCurves(row, each)[metric];
    return curve ? curve.step.map((step, i) => ({ x: step, y: curve.mean[i], seed: each.seed })) : [];
  };
  const own = line(run);
  const others = row.runs.filter((each) => each !== run).flatMap(line);
  return picture(`${DATA.metrics[metric]} of seed ${run.seed}`, {
    width, height: 170, marginLeft: 48, marginBottom: 36, marginTop: 14,
    x: { label: "optimizer step →", ticks: 4 }, y: { label: null, grid: true, ticks: 4, nice: true },
    marks: [
      Plot.line(others, { x: "x", y: "y", z: "seed", stroke: GREY, strokeWidth: 1, strokeOpacity: 0.7 }),
      Plot.line(own, { x: "x", y: "y", stroke: colourOf("method", nameOf(place)), strokeWidth: 2 }),
    ],
    tips: own.map((point) => ({ ...point, text: `step ${point.x}\n${short(point.y)}` })),
  });
}

function completionsOf(run) {
  if (!run.samples?.length) return [el("h3", {}, "Completions"), el("p", { class: "note" }, "The completions of this run are not on the machine that made this page.")];
  const shown = run.samples.map((sample) =>
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
  return [el("h3", {}, "Greedy completions"), ...shown];
}

/* The record, part by part; a part that the run does not have is left out. */
function recordOf(run) {
  const parts = [
    ["Scores", Object.entries(run.scores ?? {})],
    ["Stability", Object.entries(run.stability ?? {})],
    ["Cost by stage, seconds", Object.entries(run.seconds ?? {})],
    ["Rollouts", Object.entries(run.rollout ?? {})],
    ["Attestation", Object.entries(run.attestation ?? {})],
    ["Environment", Object.entries(DATA.environments[run.environment] ?? {})],
    ["Settings", Object.entries(DATA.settings[run.settings] ?? {})],
  ];
  return parts.filter(([, entries]) => entries.length).flatMap(([title, entries]) => [el("h3", {}, title), facts(entries)]);
}

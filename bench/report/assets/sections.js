/* The sections below the leaderboard: what each needs, and what it shows. `draw` returns elements for a width. */

const withData = (comparison, name) => comparison.rows.filter((place) => DATA.rows[place][name]);
const choices = { metric: "reward", figure: {}, rows: "few" };

const FEW = 24;

/* Of more rows than can be looked at, each method at its best rate, the most accurate first; and how to see all. */
function fewOf(places, redraw) {
  if (places.length <= FEW) return { shown: places, control: [] };
  const score = (place) => valueOf(place, "accuracy") ?? valueOf(place, "accuracy_validation") ?? -1;
  const best = d3.rollups(places, (rates) => d3.greatest(rates, score), (place) => nameOf(place).split("@")[0]).map(([, place]) => place);
  const few = d3.sort(best, (place) => -score(place)).slice(0, FEW);
  const options = [["few", `${few.length}: the most accurate, each method at its best rate`], ["all", `all ${places.length}`]];
  const control = chooser("Rows", options, choices.rows, (name) => { choices.rows = name; redraw(); });
  return { shown: choices.rows === "few" ? few : places, control: [control] };
}

/* Sections of one comparison. */
const OWN = [
  {
    id: "price", short: "Trade-offs", title: "Any two metrics against each other", missing: "trade-offs (no two metrics in which methods differ)",
    has: (comparison) => metricsOf(comparison).length > 1,
    lead: "Filled circles are on the Pareto front: no method is as good or better in both. The front is one of point estimates; lines are 95 % intervals, and rows within them may change places.",
    draw: drawPareto,
  },
  {
    id: "curves", short: "Curves", title: "Learning curves", missing: "learning curves (no steps)",
    has: (comparison) => withData(comparison, "curves").length > 0,
    lead: "Mean over seeds; the band spans the lowest and the highest seed; the grey line is the mean of all methods shown. Each point is a mean over several steps.",
    draw: drawCurves,
  },
  {
    id: "rates", short: "Rates", title: "Learning-rate sensitivity", missing: "learning-rate sensitivity (no method at two rates)",
    has: (comparison) => ratesOf(comparison).length > 0,
    lead: "The same method at several rates, from the lowest to the highest on one scale for all; the best one tried is filled. Rows that a protocol tuned: the trials that chose their rate, scored on validation.",
    draw: drawRates,
  },
  {
    id: "stability", short: "Stability", title: "Stability", missing: "stability (no runs)",
    has: (comparison) => withData(comparison, "runs").length > 0,
    lead: "Collapsed runs count with their final accuracy, failed runs have none. Gradient spikes, entropy and reward are means over seeds.",
    draw: drawStability,
  },
  {
    id: "gates", short: "Weights", title: "What training did to the weights", missing: "weights (no geometry in the records)",
    has: (comparison) => withData(comparison, "figures").length > 0,
    lead: "Geometry of the update from the base to the trained weights, means over seeds.",
    draw: drawGates,
  },
];

/* Sections over all comparisons. */
const SHARED = [
  {
    id: "bases", short: "Over bases", title: "Methods over bases", missing: "methods over bases (no setting with five methods on two bases)", has: () => DATA.over_bases.length > 0,
    lead: "The same methods in the same setting on several bases. Ranks are averaged over bases, 1 is the best; intervals are a bootstrap over runs and problems. Shares are of all runs: a method that is often above a bar and never far below it is a safe choice. Kendall’s tau says how far two orders agree (1: the same, 0: no relation), its interval is a bootstrap over methods.",
    draw: drawOverBases,
  },
  {
    id: "kinds", short: "Organisms and real models", title: "Organisms and real models side by side", missing: "organisms beside real models (no method trained on both)", has: () => DATA.kinds.length > 0,
    lead: "What drives learning, on organisms and on models that people use: gains over the untrained base, each on its own task. An organism tells the sign of an effect, so the sign is what is compared.",
    draw: drawKinds,
  },
  {
    id: "rewards", short: "Rewards", title: "Rewards", missing: "rewards (no method trained under two)", has: () => DATA.rewards.length > 0,
    lead: "The gain over the untrained base by what training was rewarded for; evaluation always uses the task’s own verifier. A gain that a random or format reward gives as well is not learning from correctness.",
    draw: rewardParts,
  },
  {
    id: "signals", short: "Signals", title: "Signals", missing: "signals (no method trained by two)", has: () => DATA.signals.length > 0,
    lead: "The gain over the untrained base by what drives learning, at an equal budget.",
    draw: signalParts,
  },
  {
    id: "transfer", short: "Transfer", title: "Transfer", missing: "transfer (no further task scored)", has: () => DATA.transfer.rows.length > 0,
    lead: "Greedy accuracy on tasks that were scored and not trained on, in per cent, and the change from the untrained base in points. Blue is a gain, orange a loss.",
    draw: drawTransfer,
  },
  {
    id: "frontier", short: "Scorers", title: "Frontier of trace scorers", missing: "frontier of trace scorers (nothing in thinking/)", has: () => Object.keys(DATA.frontiers).length > 0,
    lead: "Parallel thinking: accuracy against all tokens that it takes, those of stopped traces and of the scorer included; 100 % is the majority vote over all traces. Filled marks are on the front: nothing is more accurate for as few tokens. The front is picked by the problems that it is shown on, so it is optimistic; what validation chose for a tenth of the tokens (◆ in the table) is not. Lines are 95 % intervals over problems. The oracle knows the answers: it is a bound and takes no part. On paper stands the largest study of each model and task.",
    draw: drawFrontiers,
  },
  {
    id: "promises", short: "Promises", title: "Promised against kept", missing: "promises of stopping (nothing in thinking/)", has: () => DATA.promises.lines.length + DATA.promises.without.length > 0,
    lead: "Stopping traces early with a promise: accuracy is at most so much below that of the same vote with all traces run to their end. The promise rests on calibration problems; beside it stands what was lost on fresh problems, with a 95 % interval over problems. A promise is kept or broken when the whole interval says so. A line is what the verb “think” would do, by the first training of a study.",
    draw: drawPromises,
  },
  {
    id: "ageing", short: "Ageing", title: "How a probe ages when the policy moves", missing: "ageing of a probe (no run with the measurement fused_probe)", has: () => DATA.ageing.length > 0,
    lead: "AUROC (0.5 is chance) on the policy’s own rollouts, before a probe learns from them: of the base’s probe as it was, and of the same one that learns from every batch. Means over runs.",
    draw: drawAgeing,
  },
  {
    id: "findings", short: "Published claims", title: "Findings on published claims", missing: "findings (no findings.json)", has: () => DATA.findings.length > 0,
    lead: "A claim is supported if the whole 95 % interval lies on its side of the threshold, contradicted if on the other, negligible if within the claim's margin of the threshold, and undecided otherwise. ° marks a verdict that does not hold at a false discovery rate of 5 % over all of them (Benjamini and Yekutieli).",
    draw: drawFindings,
  },
];

function drawCurves(width, comparison, redraw) {
  const all = withData(comparison, "curves");
  const metrics = Object.keys(DATA.metrics).filter((metric) => all.some((place) => DATA.rows[place].curves[metric]));
  if (!metrics.includes(choices.metric)) choices.metric = metrics[0];
  const { shown: places, control } = fewOf(all.filter((place) => DATA.rows[place].curves[choices.metric]), redraw);
  const rows = places.map((place) => {
    const { step, mean } = DATA.rows[place].curves[choices.metric];
    return [nameOf(place), measured(mean[0]), measured(mean[Math.floor(mean.length / 2)]), measured(mean.at(-1)), String(step.at(-1))];
  });
  const columns = ["method", "first", "middle", "last", "last step"].map((label, i) => ({ label, numeric: i > 0 }));
  return [
    chooser("Shown", metrics.map((metric) => [metric, DATA.metrics[metric]]), choices.metric, (metric) => { choices.metric = metric; redraw(); }),
    ...control,
    figure(null, null, curvePicture(places, choices.metric, width), dataTable(DATA.metrics[choices.metric], columns, rows)),
  ];
}

/* The rates of a comparison, and of the trials that chose those of its rows. */
const ratesOf = (comparison) => [...comparison.rates, ...DATA.comparisons.filter((other) => comparison.trials.includes(other.name)).flatMap((trials) => trials.rates)];

function drawRates(width, comparison) {
  const curves = ratesOf(comparison);
  const scales = smallScales(curves);
  const rows = curves.map((curve) => {
    const best = d3.greatest(curve.points, (point) => point.accuracy);
    const ends = curve.lr_open ? ` (open: ${curve.lr_open})` : "";
    const tolerance = defined(curve.lr_tolerance) ? interval(curve.lr_tolerance, curve.lr_tolerance_lo, curve.lr_tolerance_hi, measured) + ends : "";
    return [curve.method, smallCurve(curve, scales), short(best.lr), percent(best.accuracy), tolerance, String(curve.points.length), curve.split];
  });
  const [lowest, highest] = scales.x.domain().map(short), [low, high] = scales.y.domain().map(percent);
  const labels = ["method", `accuracy ${low} to ${high} %, rates ${lowest} to ${highest}`, "best rate", "accuracy there, %", "tolerance, decades [95 %]", "rates", "split"];
  return [dataTable("Learning rates", labels.map((label, i) => ({ label, numeric: i > 1 && i < 6 })), rows)];
}

function drawStability(width, comparison) {
  const places = withData(comparison, "runs");
  const share = (place, name) => (defined(valueOf(place, name)) ? percent(valueOf(place, name)) : "");
  const rows = places.map((place) => [nameOf(place), String(DATA.rows[place].runs.length), String(valueOf(place, "collapsed") ?? ""), String(valueOf(place, "failed") ?? ""),
    share(place, "stable_share"), COLUMN.sound_share === undefined ? null : interval(valueOf(place, "sound_share"), valueOf(place, "sound_share_lo"), valueOf(place, "sound_share_hi")),
    share(place, "accuracy_worst_seed"), share(place, "accuracy_sd"), measured(valueOf(place, "reward_peak")), measured(valueOf(place, "reward_last")),
    measured(valueOf(place, "entropy_left")), measured(valueOf(place, "gradient_spikes"))]);
  const labels = ["method", "runs", "collapsed", "failed", "stable, %", "all rates: without collapse, % [95 %]", "worst seed, %", "sd over seeds, points", "reward: peak", "last", "entropy left", "gradient spikes"];
  const kept = labels.map((_, i) => i === 0 || rows.some((row) => row[i] !== null && row[i] !== ""));
  const only = (row) => row.filter((_, i) => kept[i]);
  const table = dataTable("Stability", only(labels.map((label, i) => ({ label, numeric: i > 0 }))), rows.map(only));
  if (!comparison.sound.length) return [table, el("p", { class: "note" }, "No run of this comparison collapsed, so there is no survival curve.")];
  return [table, figure("Runs without a collapse, %", "Kaplan-Meier curves with pointwise 95 % intervals, over all seeds and rates of the methods that lost a run.", soundPicture(comparison.sound, width))];
}

/* What papers speak of first, then the rest by name. */
const GATES = ["sparsity_bf16", "relative_norm", "spectral_shift", "principal_angle_max_deg", "principal_energy_joint", "stable_rank", "effective_rank"];
const gatesFirst = (names) => d3.sort(names, (name) => {
  const place = GATES.indexOf(name.replace(" over null", ""));
  return place < 0 ? GATES.length : place;
}, (name) => name);

function drawGates(width, comparison, redraw) {
  return [inWords(comparison.in_words), fold("gates", "All figures, by method, matrix type and layer", () => gateParts(width, comparison, redraw))];
}

function gateParts(width, comparison, redraw) {
  const places = withData(comparison, "figures");
  const names = gatesFirst([...new Set(places.flatMap((place) => Object.keys(DATA.rows[place].figures)))]);
  const rows = places.map((place) => [nameOf(place), ...names.map((name) => measured(DATA.rows[place].figures[name]))]);
  const columns = ["method", ...names].map((name, i) => ({ label: i ? figureName(name) : name, numeric: i > 0 }));
  const parts = [dataTable("Geometry of the update", columns, rows)];
  const groupings = [...new Set(places.flatMap((place) => Object.keys(DATA.rows[place].grouped || {})))];
  for (const grouping of groupings) {
    const { shown: own, control } = fewOf(places.filter((place) => DATA.rows[place].grouped?.[grouping]), redraw);
    const figures = gatesFirst([...new Set(own.flatMap((place) => Object.keys(DATA.rows[place].grouped[grouping])))]);
    if (!figures.includes(choices.figure[grouping])) choices.figure[grouping] = figures[0];
    const chosen = choices.figure[grouping];
    const label = grouping.replaceAll("_", " ");
    const groups = [...new Set(own.flatMap((place) => Object.keys(DATA.rows[place].grouped[grouping][chosen] || {})))];
    const table = dataTable(`${figureName(chosen)} ${label}`, [{ label: "method" }, ...groups.map((group) => ({ label: group, numeric: true }))],
      own.map((place) => [nameOf(place), ...groups.map((group) => measured(DATA.rows[place].grouped[grouping][chosen]?.[group]))]));
    parts.push(el("h3", {}, label[0].toUpperCase() + label.slice(1)),
      chooser("Figure", figures.map((name) => [name, figureName(name)]), chosen, (name) => { choices.figure[grouping] = name; redraw(); }),
      ...control,
      figure(null, null, gatePicture(own, grouping, chosen, width), table));
  }
  return parts;
}

function drawTransfer() {
  const { tasks, rows } = DATA.transfer;
  const cell = (score) => {
    if (!score) return "";
    const change = defined(score.gain) ? ` (${signed(score.gain)})` : "";
    if (!score.gain) return el("td", { class: "number" }, percent(score.accuracy) + change);
    const node = el("td", { class: "number shade" }, percent(score.accuracy) + change);
    node.style.setProperty("--tint", score.gain > 0 ? "var(--c1)" : "var(--c2)");
    node.style.setProperty("--strength", String(Math.min(1, Math.abs(score.gain) / 0.3)));
    return node;
  };
  const columns = ["trained on", "base", "method", "signal", "own task, points", ...tasks].map((label, i) => ({ label, numeric: i > 3 }));
  return [dataTable("Transfer", columns, rows.map((row) => [row.task, row.base, row.method, row.signal === "rlvr" ? `rlvr, ${row.reward}` : row.signal,
    defined(row.own) ? signed(row.own) : "", ...tasks.map((task) => cell(row.scores[task]))]))];
}

function drawFrontiers(width) {
  const all = Object.values(DATA.frontiers).flat();
  const relative = all.every((point) => defined(point.tokens_share));
  const tokens = all.map((point) => (relative ? 100 * point.tokens_share : point.tokens));
  const axes = { relative, tokens, range: extentOf(all, "accuracy", "accuracy_lo", "accuracy_hi").map((end) => 100 * end) };
  const labels = ["policy", "scorer", "aggregator", "n", "accuracy, % [95 %]", "tokens", "tokens, % of full"];
  const row = (point) => [String(point.policy ?? "") + (point.front ? " ●" : "") + (defined(point.chosen_for_share) ? " ◆" : ""), String(point.scorer ?? ""), String(point.aggregator ?? ""), String(point.n ?? ""),
    interval(point.accuracy, point.accuracy_lo, point.accuracy_hi), grouped(point.tokens), percent(point.tokens_share)];
  return [inColumns(width, 380, Object.entries(DATA.frontiers), ([name, points], each) =>
    el("div", { class: DATA.printed_frontiers.includes(name) ? null : "screen" },
      figure(name, null, frontierPicture(points, each, axes), dataTable(`Frontier ${name}`, labels.map((label, i) => ({ label, numeric: i > 2 })), points.map(row)))))];
}

/* Claims in the order of their ids; those without an estimate say little, so they wait behind a line. */
function drawFindings() {
  const estimated = DATA.findings.filter((found) => defined(found.estimate));
  const without = DATA.findings.filter((found) => !defined(found.estimate));
  const parts = [];
  if (estimated.length) parts.push(findingsTable("Findings", estimated));
  if (without.length) {
    const text = `${without.length} claim${without.length === 1 ? "" : "s"} undecided for want of records`;
    parts.push(el("details", {}, el("summary", {}, text), findingsTable("Undecided claims", without)));
  }
  return parts;
}

/* A claim stands once, with its verdict on each base model below it. */
function findingsTable(caption, findings) {
  const marks = { supported: "✓ ", contradicted: "✗ ", negligible: "≈ " };
  const weak = (found, verdict) => (verdict !== "undecided" && !(found.q <= 0.05) ? "°" : "");
  const verdictOf = (found) => {
    const verdict = String(found.verdict ?? "undecided");
    const counts = [...new Set(found.sides?.length ? found.sides : [Array.isArray(found.seeds) ? found.seeds.length : 0])];
    const seeds = counts.join(" against ");
    return el("tr", {}, el("td", {}, el("span", { class: `verdict ${verdict.replace(/\W/g, "")}` }, marks[verdict] ?? "? ", verdict, weak(found, verdict))), el("td", {}, String(found.base ?? "")),
      el("td", { class: "number" }, interval(found.estimate, found.low, found.high, short)), el("td", { class: "note" }, counts[0] ? `n = ${seeds}` : ""));
  };
  const rows = d3.groups(findings, (found) => String(found.id ?? "")).map(([id, group]) => {
    const [found] = group;
    const source = [found.source, found.published && `published: ${found.published}`].filter(Boolean).join(" · ");
    const tested = [plainText(found.test ?? ""), ...new Set(group.map((one) => one.reason).filter(Boolean))].filter(Boolean).join(" · ");
    const side = (kind) => {
      const own = group.filter((one) => one.kind === kind);
      return el("td", {}, own.length ? el("table", { class: "verdicts" }, el("tbody", {}, ...own.map(verdictOf))) : "");
    };
    return [
      id,
      el("td", { class: "wide" }, String(found.claim ?? ""), el("br"), el("span", { class: "note" }, source),
        tested ? el("details", {}, el("summary", {}, "How it was tested"), tested) : null),
      [{ above: ">", below: "<" }[found.side], short(found.threshold), found.margin ? `± ${short(found.margin)}` : ""].filter(Boolean).join(" "),
      side("organisms"), side("real"),
    ];
  });
  const columns = [{ label: "id" }, { label: "claim", wide: true }, { label: "threshold", numeric: true }, { label: "on organisms: verdict, base, estimate [95 %], n seeds" }, { label: "on real models" }];
  const kept = rows.every((row) => !row[4].textContent) ? 4 : 5;
  return dataTable(caption, columns.slice(0, kept), rows.map((row) => row.slice(0, kept)));
}

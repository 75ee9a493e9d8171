/* Methods over several bases, and the same questions on organisms and on real models. */

const estimateText = (found, digits) => `${found.mean.toFixed(digits)} [${found.low.toFixed(digits)}, ${found.high.toFixed(digits)}]`.replaceAll("-", "−");

/* The setting with most methods, and each other one behind a line. */
function drawOverBases(width) {
  const [widest, ...others] = DATA.over_bases;
  const title = (found) => `${found.setting}: ${found.bases.join(" and ")}, ${found.runs} runs each`;
  return [
    el("h3", {}, title(widest)),
    ...settingOverBases(widest, width),
    ...others.map((found) => fold(`bases ${title(found)}`, title(found), () => settingOverBases(found, width))),
  ];
}

function settingOverBases(found, width) {
  return [
    ranksTable(found),
    figure("Performance profiles", "The share of a method’s runs that end above an accuracy, over all bases, with its pointwise 95 % interval; the grey line is the mean of all methods. Higher is better, and a line that falls late is a method that seldom fails.", profilePicture(found, width)),
    el("h3", {}, "Do the orders agree?"),
    inColumns(width, 380, found.agreements.filter((pair) => found.bases.includes(pair.one)), (pair, each) =>
      figure(`${pair.one} and ${pair.other}: Kendall’s tau ${estimateText(pair.tau, 2)}`, null, orderPicture(found, pair, each))),
    agreementTable(found),
  ];
}

function ranksTable(found) {
  const bars = ["50", "80", "90"].map((bar) => ({ label: `runs above ${bar} %, %`, numeric: true }));
  const share = (estimate) => percent(estimate.mean);
  return dataTable(`Ranks over bases, ${found.setting}, result schema ${found.result_schema}`,
    [{ label: "method" }, { label: "rank [95 %]", numeric: true }, ...bars, { label: "worst run, %", numeric: true }, { label: "trainable, %", numeric: true }],
    found.methods.map((row) => [row.method, estimateText(row.rank, 1), ...row.above.map(share), percent(row.worst), defined(row.trainable_share) ? percent(row.trainable_share) : ""]));
}

function agreementTable(found) {
  return dataTable(`How far orders agree in ${found.setting}`,
    [{ label: "order" }, { label: "against" }, { label: "methods", numeric: true }, { label: "tau [95 %]", numeric: true }, { label: "tau among the better ones", numeric: true }],
    found.agreements.map((pair) => [pair.one, pair.other, String(pair.methods), estimateText(pair.tau, 2), defined(pair.tau_of_better) ? `${pair.tau_of_better.toFixed(2)} of ${pair.better}`.replace("-", "−") : ""]));
}

/* A panel per method, best first. */
function profilePicture(found, width) {
  const names = found.methods.map((each) => each.method);
  const grid = panels(names, width, 165, 5);
  const points = found.methods.flatMap((each) => each.profile.map((share, i) => ({
    ...grid.at(each.method), method: each.method, colour: colourOf("method", each.method),
    x: (100 * i) / each.profile.length, y: 100 * share.mean, low: 100 * share.low, high: 100 * share.high,
  })));
  const mean = d3.sort(d3.rollups(points, (group) => d3.mean(group, (p) => p.y), (p) => p.x), ([x]) => x).map(([x, y]) => ({ x, y }));
  const facet = { fx: "fx", fy: "fy", x: "x" };
  return picture("Performance profiles", {
    width, height: grid.lines * 120 + 64, marginTop: 44, marginBottom: 40, marginLeft: 44, ...grid.scales,
    x: { label: "accuracy, % →", ticks: 3, domain: [0, 100] }, y: { label: "↑ runs above it, %", domain: [0, 100], ticks: 3, grid: true },
    marks: [
      Plot.line(mean, { x: "x", y: "y", stroke: GREY, strokeWidth: 1.2 }),
      Plot.areaY(points, { ...facet, y1: "low", y2: "high", z: "method", fill: "colour", fillOpacity: 0.18 }),
      Plot.line(points, { ...facet, y: "y", z: "method", stroke: "colour", strokeWidth: 2 }),
      grid.titles((name) => name),
    ],
    tips: points.map((p) => ({ ...p, text: `${p.method}\n${p.y.toFixed(0)} % of runs above ${p.x.toFixed(0)} %` })),
  });
}

/* Two orders are one if the points lie on a rising line. */
function orderPicture(found, pair, width) {
  const [one, other] = [pair.one, pair.other].map((base) => found.bases.indexOf(base));
  const points = found.methods.map((each) => ({ method: each.method, x: 100 * each.accuracies[one], y: 100 * each.accuracies[other] }));
  const ends = (axis) => d3.extent(points, (p) => p[axis]);
  const [across, down] = [d3.scaleLinear(ends("x"), [0, width - 90]), d3.scaleLinear(ends("y"), [250, 0])];
  const box = (p) => [across(p.x), across(p.x) + LETTER * p.method.length, down(p.y) - LINE, down(p.y)];
  const named = legible(d3.sort(points, (p) => -(p.x + p.y)), box);
  return picture(`Accuracy on ${pair.one} and on ${pair.other}`, {
    width, height: 320, marginLeft: 48, marginBottom: 44, marginRight: 80, inset: 10,
    x: { label: `${pair.one}, accuracy, % →`, ticks: 5, nice: true }, y: { label: `↑ ${pair.other}, accuracy, %`, grid: true, ticks: 5, nice: true },
    marks: [
      Plot.dot(points, { x: "x", y: "y", r: 5, fill: (p) => colourOf("method", p.method) }),
      Plot.text(named, { x: "x", y: "y", text: "method", textAnchor: "start", dx: 8, stroke: "var(--surface)", strokeWidth: 4, fill: "currentColor" }),
    ],
    tips: points.map((p) => ({ ...p, text: `${p.method}\n${pair.one} ${p.x.toFixed(1)} %\n${pair.other} ${p.y.toFixed(1)} %` })),
  });
}

/* Organisms on the left, real models on the right, one scale of gains for both. */
const KINDS = [["organisms", "organisms"], ["real", "real models"]];
const questionOf = (each) => [each.signal === "rlvr" ? each.reward : each.signal, each.method].join(", ");

function drawKinds(width) {
  const points = DATA.kinds.flatMap((each) => KINDS.flatMap(([kind, title]) => each[kind].map((point) => ({
    kind: title, question: questionOf(each), base: point.base, task: point.task, x: 100 * point.gain,
    low: defined(point.gain_lo) ? 100 * point.gain_lo : null, high: defined(point.gain_hi) ? 100 * point.gain_hi : null,
  }))));
  const verdict = (each) => (each.agree ? (each.certain ? "yes, beyond noise" : "yes, within noise") : "no");
  const side = (held) => held.map((point) => `${point.base}, ${point.task}: ${interval(point.gain, point.gain_lo, point.gain_hi, signed)}`).join("; ");
  const columns = [{ label: "trained by" }, { label: "on organisms, points [95 %]", wide: true }, { label: "on real models, points [95 %]", wide: true }, { label: "same sign" }];
  const rows = DATA.kinds.map((each) => [questionOf(each), el("td", { class: "wide" }, side(each.organisms)), el("td", { class: "wide" }, side(each.real)), verdict(each)]);
  return [figure(null, null, kindPicture(points, width)), dataTable("Organisms and real models", columns, rows)];
}

function kindPicture(points, width) {
  const questions = [...new Set(points.map((point) => point.question))];
  const bases = [...new Set(points.map((point) => point.base))];
  return picture("Gain over the base on organisms and on real models", {
    width, height: questions.length * 34 + 96, marginLeft: Math.min(0.4 * width, 24 + 6.8 * d3.max(questions, (text) => text.length)), marginTop: 36, marginBottom: 44, marginRight: 16,
    x: { label: "gain over the base, points →", grid: true, ticks: 5, nice: true }, y: { domain: questions, label: null }, fx: { label: null, domain: KINDS.map(([, title]) => title) },
    ...seriesScales("base", bases),
    marks: [
      Plot.ruleX([0], { stroke: GREY }),
      Plot.ruleY(points, { fx: "kind", y: "question", x1: "low", x2: "high", stroke: "base", strokeOpacity: 0.35 }),
      Plot.dot(points, { fx: "kind", y: "question", x: "x", stroke: "base", fill: "base", symbol: "base", r: 4 }),
    ],
    tips: points.map((p) => ({ fx: p.kind, x: p.x, y: p.question, text: `${p.question}\n${p.base}, ${p.task}\n${p.x.toFixed(1)} points` })),
  });
}

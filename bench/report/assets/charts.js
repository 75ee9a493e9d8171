/* Pictures, drawn by Observable Plot in the colours of the page. Shape tells apart what colour does. */

const COLOURS = ["c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8"].map((name) => `var(--${name})`);
const SHAPES = ["circle", "square", "triangle", "diamond", "star", "wye", "hexagon"];
const GREY = "var(--grey)", ACCENT = "var(--accent)";
const nameOf = (place) => DATA.rows[place].values[COLUMN.method];
const valueOf = (place, name) => DATA.rows[place].values[COLUMN[name]];

function picture(label, options) {
  const style = { background: "none", color: "inherit", fontSize: "12px", fontFamily: "inherit" };
  const drawn = Plot.plot({ style, ariaLabel: label, ...options });
  const svg = drawn.matches("svg") ? drawn : drawn.querySelector(":scope > svg");
  svg.setAttribute("role", "img");
  for (const mark of svg.querySelectorAll("g[aria-label]")) mark.removeAttribute("aria-label"); // a g has no role to label
  return drawn;
}

/* Panels side by side: gives each of `names` a column and a line of a grid that fits the width. */
function panels(names, width, least = 165) {
  const columns = Math.max(1, Math.min(names.length, 4, Math.floor(width / least)));
  const place = new Map(names.map((name, i) => [name, { fx: i % columns, fy: Math.floor(i / columns) }]));
  const titles = (text) =>
    Plot.text(names.map((name) => ({ text: text(name), ...place.get(name) })), {
      fx: "fx", fy: "fy", text: "text", frameAnchor: "top-left", dy: -14, fontWeight: 600, fill: "currentColor",
    });
  const lines = Math.ceil(names.length / columns);
  const scales = { fx: { axis: null, padding: 0.1 }, fy: { axis: null, paddingInner: lines > 1 ? 0.3 : 0, paddingOuter: 0 } };
  return { at: (name) => place.get(name), titles, scales, lines };
}

/* At most four round ticks of a logarithmic scale. */
function logTicks(values) {
  const [low, high] = d3.extent(values);
  const decades = d3.range(Math.floor(Math.log10(low)), Math.ceil(Math.log10(high)) + 1);
  const round = [[1, 2, 5], [1, 3], [1]]
    .map((steps) => decades.flatMap((decade) => steps.map((step) => step * 10 ** decade)).filter((tick) => tick >= low && tick <= high));
  return round.find((ticks) => ticks.length <= 4) ?? d3.ticks(0, decades.length - 1, 4).map((i) => 10 ** decades[Math.floor(i)]);
}

/* The points whose names do not run into the name of an earlier one; `box` gives a name's [left, right, top, bottom]. */
function legible(points, box) {
  const apart = (one, other) => one[1] < other[0] || other[1] < one[0] || one[3] < other[2] || other[3] < one[2];
  const kept = [];
  for (const point of points) if (kept.every((other) => apart(box(point), box(other)))) kept.push(point);
  return kept;
}

const LETTER = 7.4, LINE = 15; // of a bold name, in pixels

function logScale(values) {
  const [low, high] = d3.extent(values.filter((value) => value > 0));
  return low > 0 && values.every((value) => value > 0) && high / low > 8;
}

/* Accuracy against a price; the Pareto front is filled and joined. */
function pricePicture(comparison, price, label, width) {
  const front = new Set(comparison.fronts[price]);
  const points = comparison.rows
    .filter((place) => valueOf(place, "status") !== "reference" && defined(valueOf(place, price)) && defined(valueOf(place, "accuracy")))
    .map((place) => ({
      method: nameOf(place), price: valueOf(place, price), accuracy: 100 * valueOf(place, "accuracy"), front: front.has(place),
      low: defined(valueOf(place, "accuracy_lo")) ? 100 * valueOf(place, "accuracy_lo") : null,
      high: defined(valueOf(place, "accuracy_hi")) ? 100 * valueOf(place, "accuracy_hi") : null,
    }));
  const log = logScale(points.map((point) => point.price));
  const onFront = d3.sort(points.filter((point) => point.front), (point) => point.price);
  const prices = points.map((point) => point.price);
  const height = Math.min(320, Math.max(240, width * 0.75));
  const across = (log ? d3.scaleLog : d3.scaleLinear)(d3.extent(prices), [0, width - 82]);
  const down = d3.scaleLinear(d3.extent(points.flatMap((p) => [p.low ?? p.accuracy, p.high ?? p.accuracy])), [height - 94, 0]);
  const isLeft = (p) => across(p.price) <= (width - 82) / 2;
  const box = (p) => {
    const start = across(p.price) - (isLeft(p) ? 0 : LETTER * p.method.length);
    return [start, start + LETTER * p.method.length, down(p.accuracy) - LINE, down(p.accuracy)];
  };
  const labelled = legible(d3.sort(onFront, (p) => -p.accuracy), box);
  const named = (left) => Plot.text(labelled.filter((p) => isLeft(p) === left), {
    x: "price", y: "accuracy", text: "method", textAnchor: left ? "start" : "end", dx: left ? 9 : -9, dy: -9,
    fontWeight: 600, stroke: "var(--surface)", strokeWidth: 4, fill: "currentColor",
  });
  return picture(`Accuracy against ${label}`, {
    width, height, marginLeft: 44, marginTop: 30, marginBottom: 44, marginRight: 18, inset: 10,
    x: { type: log ? "log" : "linear", label: `${label} →`, labelAnchor: "right", tickFormat: "~s", ticks: log ? logTicks(prices) : 4, nice: !log },
    y: { label: "↑ accuracy, %", grid: true, nice: true, ticks: 5 },
    marks: [
      Plot.ruleX(points, { x: "price", y1: "low", y2: "high", stroke: GREY, strokeOpacity: 0.45, strokeWidth: 1.5 }),
      Plot.line(onFront, { x: "price", y: "accuracy", curve: "step-after", stroke: ACCENT, strokeDasharray: "4 3" }),
      Plot.dot(points.filter((p) => !p.front), { x: "price", y: "accuracy", symbol: "square", r: 3.5, stroke: GREY, fill: "var(--surface)" }),
      Plot.dot(onFront, { x: "price", y: "accuracy", r: 5, fill: ACCENT, stroke: "var(--surface)" }),
      named(true), named(false),
      Plot.tip(points, Plot.pointer({ x: "price", y: "accuracy", title: (p) => `${p.method}\n${p.accuracy.toFixed(1)} %\n${short(p.price)} ${label}` })),
    ],
  });
}

/* A panel per method: mean over seeds, the band that the seeds span, and in grey the mean of all methods. */
function curvePicture(places, metric, width) {
  const points = places.flatMap((place) => {
    const curve = DATA.rows[place].curves[metric];
    return curve.step.map((step, i) => ({
      place, step, mean: curve.mean[i], low: curve.low ? curve.low[i] : null, high: curve.high ? curve.high[i] : null,
    }));
  });
  const grid = panels(places, width);
  for (const point of points) Object.assign(point, grid.at(point.place));
  const mean = d3.rollups(points, (group) => d3.mean(group, (p) => p.mean), (p) => p.step).map(([step, value]) => ({ step, value }));
  const facet = { fx: "fx", fy: "fy" };
  return picture(DATA.metrics[metric], {
    width, height: grid.lines * 150 + 64, marginTop: 44, marginBottom: 40, marginLeft: 48, ...grid.scales,
    x: { label: "optimizer step →", ticks: 4 }, y: { label: `↑ ${DATA.metrics[metric]}`, grid: true, ticks: 4, nice: true },
    marks: [
      places.length > 1 ? Plot.line(d3.sort(mean, (p) => p.step), { x: "step", y: "value", stroke: GREY, strokeWidth: 1.2 }) : null,
      Plot.areaY(points.filter((p) => defined(p.low)), { ...facet, x: "step", y1: "low", y2: "high", fill: ACCENT, fillOpacity: 0.22 }),
      Plot.line(points, { ...facet, x: "step", y: "mean", stroke: ACCENT, strokeWidth: 2 }),
      grid.titles(nameOf),
      Plot.tip(points, Plot.pointer({ ...facet, x: "step", y: "mean", title: (p) => `${nameOf(p.place)}\nstep ${p.step}\n${short(p.mean)}` })),
    ],
  });
}

/* A panel per method: accuracy at each learning rate. */
function ratePicture(curves, width) {
  const keyed = curves.map((curve, i) => ({ ...curve, key: i }));
  const grid = panels(keyed.map((curve) => curve.key), width);
  const points = keyed.flatMap((curve) => curve.points.map((point) => ({
    ...grid.at(curve.key), method: curve.method, lr: point.lr, accuracy: 100 * point.accuracy,
    low: defined(point.accuracy_lo) ? 100 * point.accuracy_lo : null, high: defined(point.accuracy_hi) ? 100 * point.accuracy_hi : null,
    best: point.accuracy === d3.max(curve.points, (p) => p.accuracy),
  })));
  const facet = { fx: "fx", fy: "fy" };
  return picture("Accuracy by learning rate", {
    width, height: grid.lines * 150 + 64, marginTop: 44, marginBottom: 40, marginLeft: 44, ...grid.scales,
    x: { type: "log", label: "learning rate →", tickFormat: "~e", ticks: 3, inset: 8 },
    y: { label: "↑ accuracy, %", grid: true, nice: true, ticks: 4 },
    marks: [
      Plot.ruleX(points, { ...facet, x: "lr", y1: "low", y2: "high", stroke: GREY, strokeOpacity: 0.6 }),
      Plot.line(points, { ...facet, x: "lr", y: "accuracy", z: "method", stroke: ACCENT, strokeWidth: 1.6 }),
      Plot.dot(points, { ...facet, x: "lr", y: "accuracy", r: (p) => (p.best ? 5 : 3.5), fill: (p) => (p.best ? ACCENT : "var(--surface)"), stroke: ACCENT }),
      grid.titles((key) => keyed[key].method),
      Plot.tip(points, Plot.pointer({ ...facet, x: "lr", y: "accuracy", title: (p) => `${p.method}\nrate ${p.lr}\n${p.accuracy.toFixed(1)} %` })),
    ],
  });
}

/* A panel per method that lost a run: the share of runs without a collapse. */
function soundPicture(curves, width) {
  const grid = panels(curves, width);
  const points = curves.flatMap((curve) =>
    curve.step.map((step, i) => ({ ...grid.at(curve), method: curve.method, step, share: 100 * curve.share[i], low: 100 * curve.low[i], high: 100 * curve.high[i] })),
  );
  const facet = { fx: "fx", fy: "fy" };
  return picture("Share of runs without a collapse", {
    width, height: grid.lines * 150 + 64, marginTop: 44, marginBottom: 40, marginLeft: 44, ...grid.scales,
    x: { label: "optimizer step →", ticks: 4 }, y: { domain: [0, 100], label: null, grid: true, ticks: 3 },
    marks: [
      Plot.areaY(points, { ...facet, x: "step", y1: "low", y2: "high", curve: "step-after", fill: ACCENT, fillOpacity: 0.18 }),
      Plot.line(points, { ...facet, x: "step", y: "share", z: "method", curve: "step-after", stroke: ACCENT, strokeWidth: 2 }),
      grid.titles((curve) => `${curve.method} (${curve.runs} run${curve.runs === 1 ? "" : "s"})`),
    ],
  });
}

/* A line per method, a cell per layer or matrix type: dark where the figure is small, light where it is large. */
function gatePicture(places, grouping, name, width) {
  const cells = places.flatMap((place) =>
    Object.entries(DATA.rows[place].grouped[grouping][name] || {}).map(([group, value]) => ({ method: nameOf(place), group, value })),
  );
  const groups = [...new Set(cells.map((cell) => cell.group))];
  if (groups.every((group) => /^\d+$/.test(group))) groups.sort((a, b) => a - b);
  const methods = places.map(nameOf);
  const middle = d3.mean(d3.extent(cells, (cell) => cell.value));
  const written = width / groups.length > 56;
  return picture(`${name} ${grouping.replace("_", " ")}`, {
    width, height: 24 * new Set(methods).size + 76, marginLeft: Math.min(170, 26 + 7 * d3.max(methods, (m) => m.length)), marginTop: 34, padding: 0.04,
    x: { domain: groups, label: grouping.replace("by_", ""), labelAnchor: "left", axis: "top", tickRotate: width / groups.length < 64 && groups.some((g) => g.length > 4) ? -40 : 0 },
    y: { domain: [...new Set(methods)], label: null },
    color: { scheme: "cividis", label: name.replaceAll("_", " "), tickFormat: short },
    marks: [
      Plot.cell(cells, { x: "group", y: "method", fill: "value" }),
      written ? Plot.text(cells, { x: "group", y: "method", text: (c) => short(c.value), fill: (c) => (c.value > middle ? "#000" : "#fff") }) : null,
      Plot.tip(cells, Plot.pointer({ x: "group", y: "method", title: (c) => `${c.method}, ${c.group}\n${short(c.value)}` })),
    ],
  });
}

/* Accuracy against tokens, a shape per kind of policy; what nothing beats is filled, joined and named. */
const frontierName = (point) => [point.scorer ?? "no scorer", point.aggregator, point.policy, defined(point.n) ? `n = ${point.n}` : null].filter(Boolean).join(", ");

function frontierPicture(points, width) {
  const relative = points.every((point) => defined(point.tokens_share));
  const shown = points.map((point) => ({
    x: relative ? 100 * point.tokens_share : point.tokens, y: 100 * point.accuracy, front: point.front, name: frontierName(point),
    low: defined(point.accuracy_lo) ? 100 * point.accuracy_lo : null, high: defined(point.accuracy_hi) ? 100 * point.accuracy_hi : null,
    label: String(point.scorer ?? "no scorer"), policy: String(point.policy ?? "").split(":")[0],
  }));
  const log = logScale(shown.map((point) => point.x));
  const best = d3.sort(shown.filter((point) => point.front), (point) => point.x);
  const policies = [...new Set(shown.map((point) => point.policy))];
  const height = Math.min(440, Math.max(300, width * 0.5));
  const across = (log ? d3.scaleLog : d3.scaleLinear)(d3.extent(shown, (p) => p.x), [0, width - 120]);
  const down = d3.scaleLinear(d3.extent(shown.flatMap((p) => [p.low ?? p.y, p.high ?? p.y])), [height - 80, 0]);
  const half = (p) => (LETTER * p.label.length) / 2;
  const named = legible(d3.sort(best, (p) => -p.y), (p) => [across(p.x) - half(p), across(p.x) + half(p), down(p.y) - LINE, down(p.y)]);
  return picture("Accuracy against tokens", {
    width, height, marginLeft: 44, marginBottom: 48, marginRight: 60, inset: 8,
    x: { type: log ? "log" : "linear", label: relative ? "tokens, % of full generation →" : "tokens →", tickFormat: "~s", ticks: log ? logTicks(shown.map((p) => p.x)) : 5 },
    y: { label: "↑ accuracy, %", grid: true, nice: true },
    symbol: { domain: policies, range: SHAPES, legend: policies.length > 1 },
    marks: [
      Plot.ruleX(best, { x: "x", y1: "low", y2: "high", stroke: ACCENT, strokeOpacity: 0.4 }),
      Plot.dot(shown.filter((p) => !p.front), { x: "x", y: "y", stroke: GREY, strokeOpacity: 0.8, symbol: "policy", r: 3.5 }),
      Plot.line(best, { x: "x", y: "y", curve: "step-after", stroke: ACCENT, strokeDasharray: "4 3" }),
      Plot.dot(best, { x: "x", y: "y", fill: ACCENT, stroke: ACCENT, symbol: "policy", r: 4.5 }),
      Plot.text(named, { x: "x", y: "y", text: "label", dy: -12, fontWeight: 600, stroke: "var(--paper)", strokeWidth: 4, fill: "currentColor" }),
      Plot.tip(shown, Plot.pointer({ x: "x", y: "y", title: (p) => `${p.name}\n${p.y.toFixed(1)} %` })),
    ],
  });
}

/* Pictures of one comparison, and of the trace scorers. */

/* A panel per method: mean over seeds, the band that the seeds span, and in grey the mean of all methods. */
function curvePicture(places, metric, width) {
  const points = places.flatMap((place) => {
    const curve = DATA.rows[place].curves[metric];
    return curve.step.map((step, i) => ({
      place, colour: colourOf("method", nameOf(place)), step, mean: curve.mean[i], low: curve.low ? curve.low[i] : null, high: curve.high ? curve.high[i] : null,
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
      Plot.areaY(points.filter((p) => defined(p.low)), { ...facet, x: "step", y1: "low", y2: "high", z: "place", fill: "colour", fillOpacity: 0.22 }),
      Plot.line(points, { ...facet, x: "step", y: "mean", z: "place", stroke: "colour", strokeWidth: 2 }),
      grid.titles(nameOf),
    ],
    tips: points.map((p) => ({ ...p, x: p.step, y: p.mean, text: `${nameOf(p.place)}\nstep ${p.step}\n${short(p.mean)}` })),
  });
}

const SMALL = { width: 168, height: 36, inset: 5 };

/* The scales that the small curves of a table share: rates, and the range of the accuracies. */
function smallScales(curves) {
  const points = curves.flatMap((curve) => curve.points);
  const { width, height, inset } = SMALL;
  const x = d3.scaleLog(d3.extent(points, (point) => point.lr), [inset, width - inset]);
  const y = d3.scaleLinear(d3.extent(points, (point) => point.accuracy), [height - inset, inset]);
  return { x, y };
}

/* A curve that fits into a line of a table: accuracy at each rate, the best one filled. Its tip has the numbers. */
function smallCurve(curve, { x, y }) {
  const best = d3.greatest(curve.points, (point) => point.accuracy);
  const colour = colourOf("method", curve.method);
  const text = curve.points.map((point) => `${short(point.lr)}: ${percent(point.accuracy)} %`).join(", ");
  const svg = d3.create("svg").attr("width", SMALL.width).attr("height", SMALL.height).attr("viewBox", [0, 0, SMALL.width, SMALL.height]).attr("aria-hidden", "true");
  svg.append("path").attr("d", d3.line((point) => x(point.lr), (point) => y(point.accuracy))(curve.points)).attr("fill", "none").attr("stroke", colour).attr("stroke-width", 1.6);
  for (const point of curve.points) {
    svg.append("circle").attr("cx", x(point.lr)).attr("cy", y(point.accuracy)).attr("r", point === best ? 4 : 2.5).attr("stroke", colour).attr("fill", point === best ? colour : "var(--surface)");
  }
  return el("td", { class: "small-curve", "data-text": text }, el("span", { tabindex: "0", role: "img", "aria-label": `${curve.method} at ${text}`, "data-tip": text }, svg.node()));
}

/* A panel per method that lost a run: the share of runs without a collapse. */
function soundPicture(curves, width) {
  const grid = panels(curves, width);
  const points = curves.flatMap((curve) =>
    curve.step.map((step, i) => ({ ...grid.at(curve), method: curve.method, colour: colourOf("method", curve.method), step, share: 100 * curve.share[i], low: 100 * curve.low[i], high: 100 * curve.high[i] })),
  );
  const facet = { fx: "fx", fy: "fy" };
  return picture("Share of runs without a collapse", {
    width, height: grid.lines * 150 + 64, marginTop: 44, marginBottom: 40, marginLeft: 44, ...grid.scales,
    x: { label: "optimizer step →", ticks: 4 }, y: { domain: [0, 100], label: null, grid: true, ticks: 3 },
    marks: [
      Plot.areaY(points, { ...facet, x: "step", y1: "low", y2: "high", z: "method", curve: "step-after", fill: "colour", fillOpacity: 0.18 }),
      Plot.line(points, { ...facet, x: "step", y: "share", z: "method", curve: "step-after", stroke: "colour", strokeWidth: 2 }),
      grid.titles((curve) => `${curve.method} (${curve.runs} run${curve.runs === 1 ? "" : "s"})`),
    ],
    tips: points.map((p) => ({ ...p, x: p.step, y: p.share, text: `${p.method}\nstep ${p.step}\n${p.share.toFixed(1)} %` })),
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
  return picture(`${figureName(name)} ${grouping.replace("_", " ")}`, {
    width, height: 24 * new Set(methods).size + 76, marginLeft: Math.min(170, 26 + 7 * d3.max(methods, (m) => m.length)), marginTop: 34, padding: 0.04,
    x: { domain: groups, label: grouping.replace("by_", ""), labelAnchor: "left", axis: "top", tickRotate: width / groups.length < 64 && groups.some((g) => g.length > 4) ? -40 : 0 },
    y: { domain: [...new Set(methods)], label: null },
    color: { scheme: "cividis", label: figureName(name), tickFormat: short },
    marks: [
      Plot.cell(cells, { x: "group", y: "method", fill: "value" }),
      written ? Plot.text(cells, { x: "group", y: "method", text: (c) => short(c.value), fill: (c) => (c.value > middle ? "#000" : "#fff") }) : null,
    ],
    tips: cells.map((c) => ({ x: c.group, y: c.method, text: `${c.method}, ${c.group}\n${short(c.value)}` })),
  });
}

/* Accuracy against tokens, a shape per kind of policy; what nothing beats is filled, joined and named. */
const frontierName = (point) => [point.scorer ?? "no scorer", point.aggregator, point.policy, defined(point.n) ? `n = ${point.n}` : null].filter(Boolean).join(", ");

function frontierPicture(points, width, { relative, tokens, range }) {
  const shown = points.map((point) => ({
    x: relative ? 100 * point.tokens_share : point.tokens, y: 100 * point.accuracy, front: point.front, name: frontierName(point),
    low: defined(point.accuracy_lo) ? 100 * point.accuracy_lo : null, high: defined(point.accuracy_hi) ? 100 * point.accuracy_hi : null,
    label: String(point.scorer ?? "no scorer"), policy: String(point.policy ?? "").split(":")[0],
  }));
  const log = logScale(tokens);
  const best = d3.sort(shown.filter((point) => point.front), (point) => point.x);
  const policies = [...new Set(shown.map((point) => point.policy))];
  const height = Math.min(440, Math.max(300, width * 0.5));
  const across = (log ? d3.scaleLog : d3.scaleLinear)(d3.extent(tokens), [0, width - 120]);
  const down = d3.scaleLinear(d3.extent(shown.flatMap((p) => [p.low ?? p.y, p.high ?? p.y])), [height - 80, 0]);
  const half = (p) => (LETTER * p.label.length) / 2;
  const named = legible(d3.sort(best, (p) => -p.y), (p) => [across(p.x) - half(p), across(p.x) + half(p), down(p.y) - LINE, down(p.y)]);
  return picture("Accuracy against tokens", {
    width, height, marginLeft: 44, marginBottom: 48, marginRight: 60, inset: 8,
    x: { type: log ? "log" : "linear", label: relative ? "tokens, % of full generation →" : "tokens →", tickFormat: "~s", ticks: log ? logTicks(tokens) : 5, domain: d3.extent(tokens) },
    y: { label: "↑ accuracy, %", grid: true, nice: true, domain: range },
    symbol: { domain: policies, range: SHAPES, legend: policies.length > 1 },
    marks: [
      Plot.ruleX(best, { x: "x", y1: "low", y2: "high", stroke: ACCENT, strokeOpacity: 0.4 }),
      Plot.dot(shown.filter((p) => !p.front), { x: "x", y: "y", stroke: GREY, strokeOpacity: 0.8, symbol: "policy", r: 3.5 }),
      Plot.line(best, { x: "x", y: "y", curve: "step-after", stroke: ACCENT, strokeDasharray: "4 3" }),
      Plot.dot(best, { x: "x", y: "y", fill: ACCENT, stroke: ACCENT, symbol: "policy", r: 4.5 }),
      Plot.text(named, { x: "x", y: "y", text: "label", dy: -12, fontWeight: 600, stroke: "var(--paper)", strokeWidth: 4, fill: "currentColor" }),
    ],
    tips: shown.map((p) => ({ x: p.x, y: p.y, text: `${p.name}\n${p.y.toFixed(1)} %` })),
  });
}

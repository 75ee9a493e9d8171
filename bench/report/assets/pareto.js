/* Any two metrics of a comparison against each other, with the rows that no other one beats in both. */

const PARETO = { x: "trainable_share", y: "accuracy_sound" };
const metricOf = (name) => DATA.columns[COLUMN[name]];
const isShare = (name) => name === "trainable_share" || metricOf(name).kind === "fraction";
const METRIC_NAMES = { accuracy_sound: "accuracy if sound", broken: "P(broken)", lr: "learning rate", trainable_params: "trainable parameters", peak_memory_mb: "memory, MB" };
const metricName = (name) => (METRIC_NAMES[name] ?? name.replaceAll("_", " ")) + (isShare(name) ? ", %" : "");
const metricValue = (place, name) => {
  const value = COLUMN[name] === undefined ? null : valueOf(place, name);
  return defined(value) && isShare(name.replace(/_(lo|hi)$/, "")) ? 100 * value : value;
};
const tickText = (value) => (Math.abs(value) < 1000 ? short(value) : d3.format("~s")(value));

/* The columns of numbers in which the methods of a comparison differ. */
function metricsOf(comparison) {
  const places = comparison.rows.filter((place) => valueOf(place, "status") !== "reference");
  const differ = (name) => new Set(places.map((place) => valueOf(place, name)).filter(defined)).size > 1;
  return DATA.columns
    .filter(({ name, kind }) => ["fraction", "number", "count"].includes(kind) && !/_(lo|hi)$/.test(name) && differ(name))
    .map(({ name }) => name);
}

/* The places of the points that no other one beats; `better` says for each axis whether less of it is better. */
function paretoFront(points, lower) {
  const better = (a, b, axis) => (lower[axis] ? a[axis] <= b[axis] : a[axis] >= b[axis]);
  const same = (a, b) => a.x === b.x && a.y === b.y;
  return points.filter((point) => !points.some((other) => !same(point, other) && better(other, point, "x") && better(other, point, "y")));
}

function paretoPoints(comparison, x, y) {
  const end = (place, name, side) => metricValue(place, `${name}_${side}`);
  return comparison.rows
    .filter((place) => valueOf(place, "status") !== "reference" && defined(metricValue(place, x)) && defined(metricValue(place, y)))
    .map((place) => ({ place, method: nameOf(place), x: metricValue(place, x), y: metricValue(place, y), low: end(place, y, "lo"), high: end(place, y, "hi") }));
}

const defaultMetric = (metrics, wanted, other) => [wanted, "accuracy_sound", "accuracy", "accuracy_validation", ...metrics].find((name) => metrics.includes(name) && name !== other);

function drawPareto(width, comparison, redraw) {
  const metrics = metricsOf(comparison);
  const y = defaultMetric(metrics, address.y ?? PARETO.y), x = defaultMetric(metrics, address.x ?? PARETO.x, y);
  const points = paretoPoints(comparison, x, y);
  const front = new Set(paretoFront(points, { x: metricOf(x).lower, y: metricOf(y).lower }));
  const options = metrics.map((name) => [name, metricName(name)]);
  const axis = (label, name, chosen) => chooser(label, options, chosen, (metric) => { keep({ [name]: metric }); redraw(); });
  const way = (name) => `${metricName(name)}: ${metricOf(name).meaning.replaceAll("`", "")}; ${metricOf(name).lower ? "less" : "more"} is better.`;
  const columns = [{ label: "method" }, { label: metricName(x), numeric: true }, { label: metricName(y), numeric: true }, { label: "on the front" }];
  const rows = d3.sort(points, (point) => point.x).map((point) => [point.method, short(point.x), interval(point.y, point.low, point.high, short), front.has(point) ? "●" : ""]);
  return [
    axis("Across", "x", x), axis("Up", "y", y),
    figure(null, `${way(x)} ${way(y)}`, paretoPicture(points, front, x, y, width), dataTable(`${metricName(y)} against ${metricName(x)}`, columns, rows)),
  ];
}

function paretoPicture(points, front, x, y, width) {
  const log = logScale(points.map((point) => point.x));
  const onFront = d3.sort(front, (point) => point.x);
  const height = Math.min(420, Math.max(260, width * 0.4));
  const across = (log ? d3.scaleLog : d3.scaleLinear)(d3.extent(points, (p) => p.x), [0, width - 82]);
  const down = d3.scaleLinear(d3.extent(points, (p) => p.y), [height - 94, 0]);
  const isLeft = (p) => across(p.x) <= (width - 82) / 2;
  const box = (p) => {
    const start = across(p.x) - (isLeft(p) ? 0 : LETTER * p.method.length);
    return [start, start + LETTER * p.method.length, down(p.y) - LINE, down(p.y)];
  };
  const labelled = legible([...d3.sort(onFront, (p) => -p.y), ...points.filter((p) => !front.has(p))], box);
  const named = (left) => Plot.text(labelled.filter((p) => isLeft(p) === left), {
    x: "x", y: "y", text: "method", textAnchor: left ? "start" : "end", dx: left ? 9 : -9, dy: -9,
    fontWeight: (p) => (front.has(p) ? 600 : 400), stroke: "var(--surface)", strokeWidth: 4, fill: "currentColor",
  });
  const colour = (p) => colourOf("method", p.method);
  const range = d3.extent(points.flatMap((p) => [p.y, p.low, p.high].filter(defined)));
  return picture(`${metricName(y)} against ${metricName(x)}`, {
    width, height, marginLeft: 60, marginTop: 30, marginBottom: 44, marginRight: 18, inset: 10,
    x: { type: log ? "log" : "linear", label: `${metricName(x)} →`, labelAnchor: "right", tickFormat: tickText, ticks: log ? logTicks(points.map((p) => p.x)) : 5, nice: !log },
    y: { label: `↑ ${metricName(y)}`, tickFormat: tickText, grid: true, ticks: 5, domain: range, nice: true },
    marks: [
      Plot.ruleX(points.filter((p) => defined(p.low)), { x: "x", y1: "low", y2: "high", stroke: colour, strokeOpacity: 0.4, strokeWidth: 1.5 }),
      Plot.line(onFront, { x: "x", y: "y", curve: "step-after", stroke: GREY, strokeDasharray: "4 3" }),
      Plot.dot(points.filter((p) => !front.has(p)), { x: "x", y: "y", symbol: "square", r: 3.5, stroke: colour, fill: "var(--surface)" }),
      Plot.dot(onFront, { x: "x", y: "y", r: 5.5, fill: colour, stroke: "var(--surface)" }),
      named(true), named(false),
    ],
    tips: points.map((p) => ({ x: p.x, y: p.y, text: `${p.method}\n${metricName(y)} ${interval(p.y, p.low, p.high, short)}\n${metricName(x)} ${short(p.x)}` })),
  });
}

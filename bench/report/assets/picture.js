/* Pictures, drawn by Observable Plot in the colours of the page. Shape tells apart what colour does. */

const SHAPES = ["circle", "square", "triangle", "diamond", "star", "wye", "hexagon"];
const GREY = "var(--grey)", ACCENT = "var(--accent)";
const nameOf = (place) => DATA.rows[place].values[COLUMN.method];
const valueOf = (place, name) => DATA.rows[place].values[COLUMN[name]];

/* `tips` are points {x, y, fx, fy} in the picture's own scales with the `text` that mouse and arrow keys bring up. */
function picture(label, { tips = [], marks, ...options }) {
  const style = { background: "none", color: "inherit", fontSize: "12px", fontFamily: "inherit" };
  const channels = Object.fromEntries(["x", "y", "fx", "fy"].filter((name) => tips.some((tip) => defined(tip[name]))).map((name) => [name, name]));
  const pointed = tips.length ? [Plot.tip(tips, Plot.pointer({ ...channels, title: "text" }))] : [];
  const drawn = Plot.plot({ style, ariaLabel: tips.length ? `${label}; arrow keys go through its points` : label, marks: [...marks, ...pointed], ...options });
  const svg = drawn.matches("svg") ? drawn : drawn.querySelector(":scope > svg");
  svg.setAttribute("role", "img");
  for (const mark of svg.querySelectorAll("g[aria-label]")) mark.removeAttribute("aria-label"); // a g has no role to label
  walkable(svg, tips.map((tip) => ({ ...pixelsOf(drawn, tip), text: tip.text })));
  return drawn;
}

/* Where a point of a picture is drawn: a facet moves the point by as much as it is moved itself. */
function pixelsOf(drawn, point) {
  const along = (name) => {
    const scale = drawn.scale(name);
    return scale ? scale.apply(point[name]) + (scale.bandwidth ?? 0) / 2 : 0;
  };
  const moved = (name) => (defined(point[name]) ? drawn.scale(name).apply(point[name]) - drawn.scale(name).range[0] : 0);
  return { x: along("x") + moved("fx"), y: along("y") + moved("fy") };
}

/* Panels side by side: gives each of `names` a column and a line of a grid that fits the width. */
function panels(names, width, least = 165, most = 4) {
  const columns = Math.max(1, Math.min(names.length, most, Math.floor(width / least)));
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


const figureName = (name) => {
  const [figure, over] = [name.replace(" over null", ""), name.endsWith(" over null")];
  return (DATA.figure_names[figure] ?? figure.replaceAll("_", " ")) + (over ? ", over its null" : "");
};

/* The colours and shapes of several names of a kind; shapes are told by the legend. */
const seriesScales = (kind, names) => ({
  color: { domain: names, range: names.map((name) => colourOf(kind, name)), legend: false },
  symbol: { domain: names, range: names.map((_, i) => SHAPES[i % SHAPES.length]), legend: names.length > 1 },
});

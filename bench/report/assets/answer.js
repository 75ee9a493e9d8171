/* The first screen: the methods in their order over all bases, within the budget and the risk that a reader has. */

const FIRST = 5; // rows that are shown until all are asked for
const SPAN = { width: 110, height: 16, inset: 6 };

const LIMITS = {
  trainable: { label: "Trainable, at most", write: (value) => `${short(100 * value)} %` },
  memory_mb: { label: "Memory, at most", write: (value) => `${grouped(value)} MB` },
  risk: { label: "P(broken), at most", write: (value) => `${short(100 * value)} %` },
};

const candidateValue = (each, name) => (name === "risk" ? (each.runs ? each.broken / each.runs : null) : each[name]);

/* The values at which a limit changes what is left, rounded so that they can be chosen: at most six. */
function limitOptions(candidates, name) {
  const values = [...new Set(candidates.map((each) => candidateValue(each, name)).filter(defined))].sort(d3.ascending);
  const few = values.length <= 6 ? values : d3.range(6).map((i) => values[Math.round((i * (values.length - 1)) / 5)]);
  return [["", "any"], ...few.slice(0, -1).map((value) => [String(value), LIMITS[name].write(value)])];
}

const withinLimits = (candidates) =>
  candidates.filter((each) => Object.keys(LIMITS).every((name) => {
    const limit = address[name];
    return !limit || (defined(candidateValue(each, name)) && candidateValue(each, name) <= Number(limit));
  }));

/* An interval on the scale that all rows share, which is the range of the data. */
function span(each, scale) {
  const svg = d3.create("svg").attr("width", SPAN.width).attr("height", SPAN.height).attr("viewBox", [0, 0, SPAN.width, SPAN.height]).attr("aria-hidden", "true");
  svg.style("--own", colourOf("method", each.method));
  if (defined(each.low)) svg.append("path").attr("d", `M${scale(each.low)} 8H${scale(each.high)}`);
  svg.append("circle").attr("cx", scale(each.score)).attr("cy", 8).attr("r", 4);
  return svg.node();
}

function answerTable(answer, shown) {
  const ends = answer.candidates.flatMap((each) => [each.score, each.low, each.high].filter(defined));
  const scale = d3.scaleLinear(d3.extent(ends), [SPAN.inset, SPAN.width - SPAN.inset]);
  const write = answer.ranks ? (value) => value.toFixed(1) : percent;
  const measure = answer.ranks ? "mean rank [95 %]" : "accuracy if sound, % [95 %]";
  const columns = [{ label: "method" }, { label: measure, numeric: true }, ...answer.bases.map((base) => ({ label: `${base}, %`, numeric: true })),
    { label: "broken [95 %], %", numeric: true }, { label: "trainable, %", numeric: true }, { label: "memory, MB", numeric: true }];
  const rows = shown.map((each) => [
    el("th", { scope: "row" }, swatch("method", each.method), each.method),
    el("td", { class: "number drawn", "data-text": interval(each.score, each.low, each.high, write) }, el("div", {}, span(each, scale), interval(each.score, each.low, each.high, write))),
    ...each.accuracies.map(percent),
    each.runs ? interval(each.broken / each.runs, each.broken_low, each.broken_high, (share) => String(Math.round(100 * share))) : "",
    defined(each.trainable) ? short(100 * each.trainable) : "", grouped(each.memory_mb),
  ]);
  return dataTable("Methods within the budget", columns, rows);
}

function drawAnswer() {
  const box = document.getElementById("choice");
  if (!DATA.answer || !box) return;
  const { candidates } = DATA.answer;
  const limits = Object.keys(LIMITS).filter((name) => limitOptions(candidates, name).length > 1);
  const all = withinLimits(candidates);
  const shown = address.all ? all : all.slice(0, FIRST);
  const said = all.length ? `${all.length} of ${candidates.length} methods are within this; the first is ${all[0].method}.` : "No method is within this.";
  const more = all.length > FIRST
    ? el("button", { type: "button", class: "plain", on: { click: () => { keep({ all: address.all ? "" : "1" }); drawAnswer(); } } }, address.all ? "Show the first five" : `Show all ${all.length}`)
    : null;
  const active = document.activeElement?.closest("#choice label")?.textContent;
  box.replaceChildren(
    ...limits.map((name) => chooser(LIMITS[name].label, limitOptions(candidates, name), address[name] ?? "", (value) => { keep({ [name]: value }); drawAnswer(); })),
    el("p", { class: "count", role: "status" }, said),
    answerTable(DATA.answer, shown),
    more ?? "",
  );
  if (active) [...box.querySelectorAll("label")].find((label) => label.textContent === active)?.querySelector("select").focus();
}

/* One colour for a method, a reward, a signal or a base on the whole page, whatever else is shown beside it. */

const BASE_COLOURS = ["c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8"].map((name) => `var(--${name})`);
const GOLDEN_ANGLE = 137.508; // hues of neighbours in an order are far apart, and none comes twice
const TONES = [0, 0.09, -0.07]; // added to the lightness that stands out from the paper

const stemOf = (method) => String(method).split("@")[0];
const palettes = {};

/* Give every name of a kind its colour, in the order given: those that come first differ most. */
function palette(kind, names, turn) {
  const known = new Map();
  for (const name of new Set(names)) {
    const place = known.size;
    const property = `--${kind}-${place}`;
    const hue = ((turn + place * GOLDEN_ANGLE) % 360).toFixed(1);
    document.documentElement.style.setProperty(property, `oklch(calc(var(--tone) + ${TONES[place % 3]}) 0.14 ${hue})`);
    known.set(name, `var(${property})`);
  }
  palettes[kind] = known;
}

function startColours() {
  const first = DATA.answer ? DATA.answer.candidates.map((each) => each.method) : [];
  const values = (name) => DATA.rows.map((row) => row.values[COLUMN[name]]);
  palette("method", [...first, ...values("method").map(stemOf)], 250);
  const contrasted = [...DATA.rewards, ...DATA.signals];
  palette("reward", [...contrasted.map((point) => point.reward), ...values("reward")], 20);
  palette("signal", [...contrasted.map((point) => point.signal), ...values("signal")], 140);
  palettes.proxy = new Map([[GOLD, "var(--c1)"], [PROXY, "var(--c2)"]]);
  palettes.probe = new Map([[PROBES.aged, "var(--c2)"], [PROBES.fused, "var(--c1)"]]);
  const bases = [...new Set(values("base").sort())];
  palettes.base = new Map(bases.map((base, i) => [base, BASE_COLOURS[i % BASE_COLOURS.length]]));
}

const colourOf = (kind, name) => palettes[kind].get(kind === "method" ? stemOf(name) : name) ?? "var(--grey)";

/* A dab of a name's colour before it. */
function swatch(kind, name) {
  const node = el("span", { class: "swatch", "aria-hidden": "true" });
  node.style.setProperty("background", colourOf(kind, name));
  return node;
}

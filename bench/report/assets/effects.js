/* What rewards and signals did: rows of different comparisons side by side, and how their runs changed the model. */

/* Points that differ in one factor alone, the largest group first; by learning rate where a level was run at several. */
const groupsOf = (points, least = 2) =>
  d3.sort(d3.groups(points, (p) => JSON.stringify([p.task, p.method, p.settings])).flatMap(([, group]) => (isOnce(group) ? [group] : byRate(group))), (group) => -group.length)
    .filter((group) => group.length >= least);
const isOnce = (group) => new Set(group.map((p) => JSON.stringify([p.base, p.reward, p.signal]))).size === group.length;
const byRate = (group) => d3.groups(group, (p) => p.lr).map(([rate, own]) => own.map((p) => ({ ...p, settings: `${p.settings}, learning rate ${short(rate)}` })));
const basesOf = (points) => [...new Set(points.map((point) => point.base))];
/* The base too where there is one, for which there is no legend. */
const groupTitle = (group) => [group[0].task, group[0].method, ...(basesOf(group).length === 1 ? basesOf(group) : [])].join(", ");
/* Ends of all values of some points, so that the pictures of a section can share an axis. */
const extentOf = (points, ...names) => d3.extent(points.flatMap((point) => names.map((name) => point[name]).filter(defined)));

/* Words in lines of at most so many characters, but for a word that is longer. */
const inLines = (words, most) => words.split(" ").reduce((lines, word) => {
  const longer = `${lines.at(-1)} ${word}`.trim();
  return longer.length > most && lines.at(-1) ? [...lines, word] : [...lines.slice(0, -1), longer];
}, [""]);

/* The gain under each level of the factor, a colour and a shape per base; the level that gains most on top. */
function gainPicture(group, factor, range, width) {
  const bases = basesOf(group);
  const levels = d3.groupSort(group, (own) => -d3.mean(own, (p) => p.gain), (p) => p[factor]);
  const shown = group.map((p) => ({
    level: p[factor], base: p.base, gain: 100 * p.gain, dy: 7 * (bases.indexOf(p.base) - (bases.length - 1) / 2),
    low: defined(p.gain_lo) ? 100 * p.gain_lo : null, high: defined(p.gain_hi) ? 100 * p.gain_hi : null,
  }));
  const marks = d3.groups(shown, (p) => p.dy).flatMap(([dy, own]) => [
    Plot.ruleY(own, { y: "level", x1: "low", x2: "high", stroke: "base", strokeWidth: 1.6, dy }),
    Plot.dot(own, { y: "level", x: "gain", stroke: "base", fill: "base", symbol: "base", r: 4, dy }),
  ]);
  const names = new Map(levels.map((level) => [level, inLines(level, (0.55 * width - 24) / 6.6)]));
  const lines = d3.max([...names.values()], (name) => name.length), longest = d3.max([...names.values()].flat(), (line) => line.length);
  return picture(`Gain over the base by ${factor}, ${groupTitle(group)}`, {
    width, height: levels.length * Math.max(14 + 7 * bases.length, 14 * lines + 8) + 74, marginLeft: 24 + 6.6 * longest, marginRight: 16, marginBottom: 44,
    x: { label: "gain over the base, points →", grid: true, ticks: 5, nice: true, domain: range },
    y: { domain: levels, label: null, tickFormat: (level) => names.get(level).join("\n") }, ...seriesScales("base", bases),
    marks: [Plot.ruleX([0], { stroke: GREY }), ...marks],
    tips: shown.map((p) => ({ x: p.gain, y: p.level, text: `${p.level}\n${p.base}\n${p.gain.toFixed(1)} points` })),
  });
}

function gainFigures(points, factor, width) {
  const groups = groupsOf(points);
  const labels = ["task", "method", "settings", factor, "base", "gain, points [95 %]", "accuracy, %", "learning rate"];
  const rows = groups.flat().map((p) => [p.task, p.method, p.settings, p[factor], p.base, interval(p.gain, p.gain_lo, p.gain_hi, signed), percent(p.accuracy), short(p.lr)]);
  const range = extentOf(groups.flat(), "gain", "gain_lo", "gain_hi").map((end) => 100 * end);
  return [
    inColumns(width, 430, groups, (group, each) => figure(groupTitle(group), group[0].settings, gainPicture(group, factor, range, each))),
    el("details", {}, el("summary", {}, "The numbers"), dataTable(`Gain by ${factor}`, labels.map((label, i) => ({ label, numeric: i > 4 })), rows)),
  ];
}

/* Panels of lines over one x: {panel, series, x, y, dashed}. Series differ by colour and by the shape at their end. */
function linePanels(label, points, width, { kind, x, y = {} }) {
  const names = [...new Set(points.map((point) => point.panel))];
  const series = [...new Set(points.map((point) => point.series))];
  const grid = panels(names, width, Math.max(170, 7.2 * d3.max(names, (name) => name.length)));
  const shown = points.map((point) => ({ ...point, ...grid.at(point.panel) }));
  const ends = d3.rollups(shown, (line) => line.at(-1), (p) => p.panel, (p) => p.series).flatMap(([, lines]) => lines.map(([, end]) => end));
  const facet = { fx: "fx", fy: "fy" };
  return picture(label, {
    width, height: grid.lines * 190 + 60, marginTop: 24, marginLeft: 48, marginRight: 14, marginBottom: 40, ...grid.scales,
    x, y: { label: null, grid: true, ticks: 4, nice: true, ...y }, ...seriesScales(kind, series),
    marks: [
      ...[false, true].map((dashed) => Plot.line(shown.filter((p) => Boolean(p.dashed) === dashed), { ...facet, x: "x", y: "y", z: "series", stroke: "series", strokeWidth: 2, strokeDasharray: dashed ? "5 4" : null })),
      Plot.dot(ends, { ...facet, x: "x", y: "y", stroke: "series", fill: "series", symbol: "series", r: 3.5 }),
      grid.titles((name) => name),
    ],
    tips: shown.map((p) => ({ ...p, text: `${p.series}\n${short(p.x)}: ${short(p.y)}` })),
  });
}

/* Rewards: gains, how the strategy spread, and what its change gained. */
function rewardParts(width) {
  const parts = gainFigures(DATA.rewards, "reward", width);
  const held = (groupsOf(DATA.rewards.filter((p) => p.strategy?.use?.step))[0] ?? []);
  if (!held.length) return parts;
  const lines = held.flatMap((p) => p.strategy.use.step.map((step, i) => ({ panel: p.reward, series: p.base, x: step, y: 100 * p.strategy.use.mean[i] })));
  const names = [...new Set(held.map((p) => `${p.base}: ${p.strategy.name}`))].join(", ");
  parts.push(
    el("div", { class: "screen" }, figure("How often answers use the base’s own strategy, %", `Share of rollouts with the strategy that most answers of the untrained base use (${names}), mean over seeds.`,
      linePanels("Share of rollouts with the base’s strategy", lines, width, { kind: "base", x: { label: "optimizer step →", ticks: 4 }, y: { domain: [0, 100] } }))),
    el("h3", {}, "Where the gain comes from"),
    el("p", { class: "note" }, "Greedy answers before and after training, by whether they use the base’s strategy: the share of problems and, in points, what it gained. The four parts add up to the gain."),
    contributionTable(DATA.rewards.filter((p) => p.strategy)),
    el("div", { class: "screen" }, ...clippingParts(DATA.rewards.filter((p) => p.clipping))),
  );
  return parts;
}

/* Clipping: what was clipped, and the drift of the log-odds of worked steps that it predicts beside the measured one. */
function clippingParts(points) {
  if (!points.length) return [];
  const share = (value) => (defined(value) ? (100 * value).toPrecision(2) : "");
  const number = (value) => (value > 0 ? "+" : "") + short(value);
  const labels = ["reward", "base", "settings", "tokens clipped low, %", "high, %", "at the fork low, %", "high, %", "spread of log-odds", "drift predicted from the spread", "from what was clipped", "measured"];
  const rows = points.map(({ reward, base, settings, clipping: c }) => [reward, base, settings, share(c.tokens_low), share(c.tokens_high), share(c.fork_low), share(c.fork_high),
    defined(c.spread) ? short(c.spread) : "", number(c.expected), number(c.from_clips), number(c.drift)]);
  return [
    el("h3", {}, "What clipping does to the strategy"),
    el("p", { class: "note" }, "The fork is the first token, where an answer takes its way. Drifts are changes of the log-odds of worked steps over the run, in nats, mean over seeds. The prediction knows clipping alone: it is for rewards that say nothing of the answer."),
    dataTable("What clipping does to the strategy", labels.map((label, i) => ({ label, numeric: i > 2 })), rows),
  ];
}

const CHANGES = [["with-with", "kept it"], ["with-without", "left it"], ["without-with", "took it up"], ["without-without", "never used it"]];

function contributionTable(points) {
  const arrow = (before, after) => (defined(before) || defined(after) ? `${percent(before) || "–"} → ${percent(after) || "–"}` : "");
  const labels = ["reward", "base", "strategy", "used by, %", "right with it, %", "right without, %", ...CHANGES.map(([, said]) => `${said}: gained`)];
  const rows = points.map((p) => {
    const { base, tuned, transitions, name } = p.strategy;
    return [p.reward, p.base, name, arrow(base.frequency, tuned.frequency), arrow(base.accuracy_with, tuned.accuracy_with), arrow(base.accuracy_without, tuned.accuracy_without),
      ...CHANGES.map(([change]) => (transitions[change]?.problems ? `${signed(transitions[change].gained)} (${percent(transitions[change].problems)} %)` : "–"))];
  });
  return dataTable("Where the gain comes from", labels.map((label, i) => ({ label, numeric: i > 2 })), rows);
}

const GOLD = "verifier (gold)", PROXY = "learned reward (proxy)";

/* Signals: gains, learning against the ledger, pass@k, and the proxy of a learned reward. */
function signalParts(width, _, redraw) {
  return [
    inWords(DATA.signals_in_words),
    fold("signals", "Pictures and numbers of all signals", () =>
      [...gainFigures(DATA.signals, "signal", width), ...ledgerParts(width, redraw), ...passParts(width), ...proxyParts(width)]),
  ];
}

const MIXED = 3; // with fewer signals the gains above say it all
const AXES = [["flops", "floating-point operations"], ["labels", "labels bought"]];

function ledgerParts(width, redraw) {
  const groups = groupsOf(DATA.signals.filter((p) => p.ledger?.accuracy)).filter((group) => new Set(group.map((p) => p.signal)).size >= MIXED);
  if (!groups.length) return [];
  const chosen = choices.ledger ?? "flops";
  const lines = (group) => group.flatMap((p) => p.ledger.accuracy.map((value, i) => ({ panel: p.base, series: p.signal, x: p.ledger[chosen][i], y: 100 * value })));
  const all = groups.flatMap(lines);
  const axes = { kind: "signal", x: { label: `${Object.fromEntries(AXES)[chosen]} →`, tickFormat: "~s", ticks: 3, domain: extentOf(all, "x") }, y: { domain: extentOf(all, "y") } };
  return [
    el("h3", {}, "Accuracy against what was spent, %"),
    chooser("Spent", AXES, chosen, (name) => { choices.ledger = name; redraw(); }),
    el("p", { class: "note" }, "Accuracy of sampled answers to training problems, by the verifier, which some signals never see; mean over seeds. What a reward model or a purchase of labels cost is paid before the first step."),
    inColumns(width, 430, groups, (group, each) =>
      figure(`${groupTitle(group)}, ${group[0].settings}`, null, linePanels(`Accuracy against the ledger, ${groupTitle(group)}`, lines(group), each, axes))),
  ];
}

const BASE_LINE = "untrained base";
const MANY = 32; // below so many samples pass@k says little of what a model can do at all

function passParts(width) {
  const kept = DATA.signals.filter((p) => p.pass_k?.base && p.pass_k.tuned && Math.max(...Object.keys(p.pass_k.tuned)) >= MANY);
  if (!kept.length) return [];
  const panelOf = (p) => `${p.base}, ${groupTitle([p])}`;
  const curve = (p, series, values) => Object.entries(values).map(([k, value]) => ({ panel: panelOf(p), series, x: Number(k), y: 100 * value, dashed: series === BASE_LINE }));
  const first = d3.groups(kept, panelOf).map(([, group]) => group[0]);
  const lines = [...first.flatMap((p) => curve(p, BASE_LINE, p.pass_k.base)), ...kept.flatMap((p) => curve(p, p.signal, p.pass_k.tuned))];
  const rows = kept.map((p) => {
    const ks = d3.sort(Object.keys(p.pass_k.tuned).map(Number));
    const last = ks.at(-1), crossing = ks.find((k) => k > 1 && p.pass_k.tuned[k] <= p.pass_k.base[k]);
    return [p.base, p.task, p.signal, percent(p.pass_k.base[1]), percent(p.pass_k.tuned[1]), percent(p.pass_k.base[last]), percent(p.pass_k.tuned[last]), defined(crossing) ? String(crossing) : `above ${last}`];
  });
  const labels = ["base", "task", "signal", "pass@1: base, %", "tuned", "at the largest k: base, %", "tuned", "base no worse from k ="];
  return [figure("What many samples find: pass@k, %", "Unbiased pass@k on test problems, mean over seeds. Where the dashed line of the untrained base crosses a curve, training has narrowed what the model can do.",
    linePanels("pass@k", lines, width, { kind: "signal", x: { type: "log", base: 2, label: "k →", tickFormat: "d", ticks: 5 } }),
    dataTable("pass@k", labels.map((label, i) => ({ label, numeric: i > 2 })), rows))];
}

/* Learned reward and verifier of each run; how far runs move differs by orders of magnitude, hence the root's scale. */
function proxyParts(width) {
  const kept = DATA.signals.filter((p) => p.proxy);
  if (!kept.length) return [];
  const x = { label: "√KL →", ticks: 4, type: "sqrt", domain: [0, d3.max(kept, (p) => d3.max(p.proxy.sqrt_kl))] };
  const drawn = (p, each) => {
    const { sqrt_kl: distance, proxy, gold } = p.proxy;
    const [low, high] = d3.extent(proxy);
    const title = `${p.base}, ${p.method}, ${p.signal.replace("rlhf, ", "").replace("preference ", "")}`;
    const lines = d3.sort(d3.range(distance.length), (i) => distance[i]).flatMap((i) => [{ panel: "", series: GOLD, x: distance[i], y: 100 * gold[i] },
      { panel: "", series: PROXY, x: distance[i], y: 100 * (proxy[i] - low) / (high - low || 1), dashed: true }]);
    return figure(title, null, linePanels(`Proxy and gold reward, ${title}`, lines, each, { kind: "proxy", x, y: { domain: [0, 100] } }));
  };
  return [el("h3", {}, "Over-optimisation of a learned reward, %"),
    el("p", { class: "note" }, "What the reward model pays, in per cent of its own range, and what the verifier finds, against the distance from the base: the square root of the KL a token. Where the proxy goes on rising and gold falls, the reward model is being exploited. Mean over seeds."),
    inColumns(width, 320, kept, drawn)];
}

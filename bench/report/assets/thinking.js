/* Stopping with a promise, and probes that grow old. */

function drawPromises() {
  const { lines, rate } = DATA.promises;
  const labels = ["comparison", "policy", "promised: loss, points at most", "confidence, %", "lost on calibration, points (problems)", "lost on fresh problems, points [95 %] (problems)", "right traces dropped, %", "tokens, % of full", "promise"];
  const points = (value) => percent(value);
  const rows = lines.map((line) => [
    String(line.name), `${line.chosen ? "▸ " : ""}${line.policy ?? ""}`, points(line.max_loss), defined(line.confidence) ? short(100 * line.confidence) : "",
    defined(line.calibration) ? `${points(line.calibration)} (${line.problems})` : "",
    defined(line.lost) ? `${interval(line.lost, line.lost_lo, line.lost_hi, points)} (${line.fresh})` : "",
    percent(line.dropped) + (defined(line.dropped) && line.max_dropped < 1 ? ` (promised: ${percent(line.max_dropped)})` : ""), percent(line.tokens_share), line.missing ?? line.state,
  ]);
  const table = dataTable("Promised against kept", labels.map((label, i) => ({ label, numeric: i > 1 && i < 8 })), rows);
  const words = rate
    ? `${rate.broken} of ${rate.tried} promises lost more on fresh problems than was promised: ${interval(rate.share, rate.low, rate.high)} %, where at most ${short(100 * rate.promised)} % were to be. Promises on the same problems are not independent, so this interval is too narrow for them.`
    : "No promise was tried on fresh problems yet, so that there is no rate to compare with the promised one.";
  return [el("p", { class: "note" }, words), table];
}

const PROBES = { aged: "probe of the base, as it was trained", fused: "the same, learning beside the policy", base: "probe of the base on the base" };

function drawAgeing(width) {
  const named = (entry) => `${entry.base}, ${entry.task}, ${entry.method} (${entry.runs} run${entry.runs === 1 ? "" : "s"})`;
  const points = DATA.ageing.flatMap((entry) => Object.entries(entry.curves).flatMap(([probe, curve]) =>
    curve.step.map((step, i) => ({ panel: named(entry), series: PROBES[probe], x: step, y: curve.mean[i] }))));
  const columns = ["runs", "probe", "first reading", "last reading [lowest, highest run]", "steps", "on fresh problems"].map((label, i) => ({ label, numeric: i > 1 }));
  const rows = DATA.ageing.flatMap((entry) => Object.keys(PROBES).filter((probe) => entry.curves[probe] || defined(entry.fresh[probe])).map((probe) => {
    const curve = entry.curves[probe] ?? { step: [], mean: [] };
    return [named(entry), PROBES[probe], measured(curve.mean[0]), interval(curve.mean.at(-1), curve.low?.at(-1), curve.high?.at(-1), measured), String(curve.step.at(-1) ?? ""), measured(entry.fresh[probe])];
  }));
  const table = dataTable("AUROC of probes", columns, rows);
  if (!points.length) return [table];
  const shown = linePanels("AUROC of a probe against steps since it was trained", points, width, { kind: "probe", x: { label: "optimizer steps since the probe was trained →", ticks: 4 } });
  return [figure(null, "0.5 is chance.", shown, table)];
}

/* Stopping with a promise, and probes that grow old. */

function drawPromises() {
  const { lines, redrawn, without, rate } = DATA.promises;
  const labels = ["comparison", "policy", "promise", "loss at most, points", "lost on fresh problems [95 %] (problems)", "tokens, % of full", "confidence, %", "lost on calibration (problems)", "right traces dropped, %"];
  const row = (line) => [
    String(line.name), line.policy ?? "", line.missing ?? line.state, percent(line.max_loss),
    defined(line.lost) ? `${interval(line.lost, line.lost_lo, line.lost_hi)} (${line.fresh})` : "",
    percent(line.tokens_share), defined(line.confidence) ? short(100 * line.confidence) : "",
    defined(line.calibration) ? `${percent(line.calibration)} (${line.problems})` : "",
    percent(line.dropped) + (defined(line.dropped) && line.max_dropped < 1 ? ` (promised: ${percent(line.max_dropped)})` : ""),
  ];
  const columns = labels.map((label, i) => ({ label, numeric: i > 2 }));
  const shown = lines.filter((line) => line.shown), others = lines.filter((line) => !line.shown);
  const words = rate
    ? `${rate.broken} of ${rate.tried} promises, of all trainings and kinds of policy, lost more on fresh problems than was promised: ${interval(rate.share, rate.low, rate.high)} %, where at most ${short(100 * rate.promised)} % were to be. Promises on the same problems are not independent, so this interval is too narrow for them.`
    : "No promise was tried on fresh problems yet, so that there is no rate to compare with the promised one.";
  const unasked = without.length ? ` Of ${without.length} comparison${without.length === 1 ? "" : "s"} no promise was asked (think --train NAME --max-loss 0.02).` : "";
  const parts = [el("p", { class: "note" }, words + unasked)];
  if (shown.length) parts.push(dataTable("Promised against kept", columns, shown.map(row)));
  if (others.length) parts.push(fold("other promises", "Other trainings, and other kinds of policy, promised together with these", () => [dataTable("Other promises", columns, others.map(row))]));
  if (redrawn.length) parts.push(...drawRedrawn(redrawn));
  return parts;
}

function drawRedrawn(studies) {
  const labels = ["study", "draws that break a promise, % [95 %]", "at most, %", "tokens, % of full", "draws that promise a policy, %", "loss at most, points", "trainings", "draws", "calibration problems of all"];
  const rows = studies.map((study) => [
    String(study.name), interval(study.broken.mean, study.broken.low, study.broken.high, percent), short(100 * study.most), percent(study.tokens_share),
    percent(study.promised), percent(study.max_loss), String(study.trainings), String(study.draws), `${study.problems} of ${study.pool}`,
  ]);
  return [
    el("p", { class: "note" }, "The same promise made again and again, of calibration problems drawn from all that chose nothing, whose losses are known: it is broken where any policy that it allows loses more on all of them."),
    dataTable("Promises of drawn calibration problems", labels.map((label, i) => ({ label, numeric: i > 0 })), rows),
  ];
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
  return [figure(null, null, shown, table)];
}

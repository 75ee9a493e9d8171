/* The two selectors: where (a base and a task), and what is compared there. */

const KIND_ORDER = ["Methods", "Rewards", "Signals", "Settings", "Trials and single seeds"];

/* Fill the second selector with the comparisons of a base and task, the most ranked first. */
function fillComparisons(select, where) {
  const own = d3.sort(DATA.comparisons.filter((found) => found.where === where), (found) => -found.ranked);
  const groups = d3.sort(d3.groups(own, (found) => found.kind), ([kind]) => KIND_ORDER.indexOf(kind));
  select.replaceChildren(...groups.map(([kind, members]) =>
    el("optgroup", { label: kind }, ...members.map((found) => el("option", { value: found.name }, found.called)))));
  if (where === "") select.append(el("option", { value: "" }, "everything, not ranked together"));
  select.disabled = where === "";
}

/* Set both selectors as the address says, and tell of every change; returns the comparison that is shown. */
function startChoice(onChange) {
  const where = document.getElementById("where");
  const select = document.getElementById("comparison");
  const told = () => { keep({ comparison: select.value, where: where.value === "" ? "all" : "" }); onChange(select.value); };
  const named = DATA.comparisons.find((found) => found.name === address.comparison);
  if (named) where.value = named.where;
  else if (address.where === "all" && DATA.comparisons.length > 1) where.value = "";
  fillComparisons(select, where.value);
  if (named) select.value = named.name;
  where.addEventListener("change", () => { fillComparisons(select, where.value); told(); });
  select.addEventListener("change", told);
  return select.value;
}

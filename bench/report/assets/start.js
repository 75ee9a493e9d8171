/* The page comes to life: data, table, then the sections, one by one so that the page answers meanwhile. */

let DATA, COLUMN;
let drawing = 0, reading;

function unpacked() {
  const bytes = Uint8Array.from(atob(document.getElementById("data").textContent), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).json();
}

function section(entry) {
  const body = el("div", {});
  const title = el("h2", { id: `${entry.id}-title` }, entry.title);
  const node = el("section", { id: entry.id, "aria-labelledby": `${entry.id}-title` }, title, el("p", { class: "note" }, entry.lead), body);
  return { node, body };
}

function showSections(chosen) {
  const comparison = DATA.comparisons.find((found) => found.name === chosen);
  const own = comparison ? OWN.filter((entry) => entry.has(comparison)) : [];
  const shared = SHARED.filter((entry) => entry.has());
  const parts = [...own, ...shared].map((entry) => ({ entry, ...section(entry) }));
  const box = document.getElementById("sections");
  box.replaceChildren(...parts.map((part) => part.node));
  const links = [...(DATA.answer ? [["answer", "Answer"]] : []), ["board", "Leaderboard"], ...(comparison ? [["apart", "Differences"]] : []), ...parts.map(({ entry }) => [entry.id, entry.short])];
  showContents(links);
  const absent = [...(comparison ? OWN.filter((entry) => !own.includes(entry)) : []), ...SHARED.filter((entry) => !shared.includes(entry))];
  document.getElementById("absent").textContent = absent.length ? `Left out, for want of data: ${absent.map((entry) => entry.missing).join("; ")}.` : "";
  const width = Math.floor(box.clientWidth);
  const draw = (part) => part.body.replaceChildren(...part.entry.draw(width, comparison, () => draw(part)));
  const turn = ++drawing;
  const next = () => {
    if (turn !== drawing) return;
    const part = parts.shift();
    if (!part) {
      document.body.dataset.drawn = chosen;
      if (turn === 1) arrive();
      return;
    }
    setTimeout(next); // first, so that a picture that cannot be drawn costs only itself
    draw(part);
  };
  setTimeout(next);
}

/* The links of the navigation; the section that is read is marked. */
function showContents(links) {
  const follow = (id) => (event) => { event.preventDefault(); keep({ at: id }); goTo(id); };
  const nodes = new Map(links.map(([id, title]) => [id, el("a", { href: `#${id}`, on: { click: follow(id) } }, title)]));
  document.getElementById("contents").replaceChildren(...[...nodes.values()].map((link) => el("li", {}, link)));
  reading?.disconnect();
  reading = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) nodes.get(target.id)?.setAttribute("aria-current", "true");
      else nodes.get(target.id)?.removeAttribute("aria-current");
    }
  }, { rootMargin: "-25% 0px -70% 0px" });
  for (const id of nodes.keys()) reading.observe(document.getElementById(id));
}

function followWidth() {
  let lastWidth = document.documentElement.clientWidth;
  let waiting;
  window.addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      if (document.documentElement.clientWidth === lastWidth) return;
      lastWidth = document.documentElement.clientWidth;
      showSections(document.getElementById("comparison").value);
    }, 200);
  });
}

unpacked().then((data) => {
  DATA = restoredDocument(data);
  COLUMN = Object.fromEntries(data.columns.map((column, i) => [column.name, i]));
  startColours();
  startTips();
  startAddress();
  document.getElementById("details").addEventListener("close", () => keep({ run: "" }));
  drawAnswer();
  showSections(startBoard(showSections));
  openNamedRun();
  document.body.dataset.usable = String(Math.round(performance.now()));
  followWidth();
  startLive();
});

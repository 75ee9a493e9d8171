/* Elements are made from text alone: nothing of a record is ever read as HTML. */

function el(tag, properties, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (name === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const defined = (value) => value !== null && value !== undefined;
const short = (value) => (defined(value) ? String(Number(Number(value).toPrecision(3))).replace("-", "−") : "");
const measured = (value) => {
  if (!defined(value) || value === 0 || Math.abs(value) >= 1000 || Math.abs(value) < 0.001) return short(value);
  return Number(value).toPrecision(3).replace("-", "−");
};
const percent = (value) => (defined(value) ? (100 * value).toFixed(1).replace("-", "−") : "");
const signed = (value) => (value > 0 ? "+" : "") + percent(value);
const grouped = (value) => (defined(value) ? Math.round(value).toLocaleString("en").replaceAll(",", "\u202f") : "");

function interval(mean, low, high, write = percent) {
  if (!defined(mean)) return "";
  return defined(low) && defined(high) ? `${write(mean)} [${write(low)}, ${write(high)}]` : write(mean);
}

const LONG = 30; // lines of a table that are shown without scrolling in it

/* A table of texts. A column is {label, numeric, wide}; a cell is a text or an element. */
function dataTable(caption, columns, rows) {
  const className = (column) => [column.numeric && "number", column.wide && "wide"].filter(Boolean).join(" ") || null;
  const cell = (value, place) => {
    const column = columns[place];
    if (value instanceof Element) return value;
    return el(place ? "td" : "th", { class: className(column), scope: place ? null : "row" }, value ?? "");
  };
  const head = columns.map((column) => el("th", { scope: "col", class: className(column) }, column.label));
  const table = el(
    "table",
    {},
    el("caption", { class: "quiet" }, caption),
    el("thead", {}, el("tr", {}, ...head)),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map(cell)))),
  );
  return el(
    "div",
    { class: "table" },
    el("div", { class: rows.length > LONG ? "scroll long" : "scroll", tabindex: "0", role: "region", "aria-label": `${caption}, table` }, table),
    exports(caption, table),
  );
}

const opened = new Set(); // folds that a reader has opened: what is drawn anew stays open

/* What is folded away is built when it is first opened. */
function fold(id, summary, build) {
  const box = el("div", {});
  const node = el("details", { class: "fold", open: opened.has(id) }, el("summary", {}, summary), box);
  const fill = () => { if (node.open && !box.childElementCount) box.replaceChildren(...build()); };
  node.addEventListener("toggle", () => {
    if (node.open) opened.add(id);
    else opened.delete(id);
    fill();
  });
  fill();
  return node;
}

const inWords = (sentences) => el("ul", { class: "words" }, ...sentences.map((sentence) => el("li", {}, sentence)));

/* A picture with what it shows in words, and its numbers as a table. */
function figure(title, caption, picture, table) {
  return el(
    "figure",
    {},
    title ? el("h3", {}, title) : null,
    el("div", { class: "picture" }, picture),
    caption ? el("figcaption", {}, caption) : null,
    table ? el("details", {}, el("summary", {}, "The numbers"), table) : null,
  );
}

/* Figures side by side where each can be `least` wide: `draw` makes one of an item for the width that it has. */
function inColumns(width, least, items, draw) {
  const columns = Math.max(1, Math.min(items.length, Math.floor(width / least)));
  const each = Math.floor((width - 32 * (columns - 1)) / columns);
  const box = el("div", { class: "row" }, ...items.map((item) => draw(item, each)));
  box.style.setProperty("--columns", columns);
  return box;
}

function chooser(label, options, chosen, onChange) {
  const select = el("select", { on: { change: () => onChange(select.value) } });
  for (const [value, text] of options) select.append(el("option", { value, selected: value === chosen }, text));
  return el("label", { class: "chooser" }, label, select);
}

/* Tooltips for the mouse and for the keyboard: explanations of headings, and the points of pictures. */

let tip, explained; // the tooltip, and what it explains while it is shown

function startTips() {
  tip = el("div", { id: "tip", role: "tooltip", hidden: true });
  document.body.append(tip, el("div", { id: "said", class: "quiet", role: "status" }));
  const owner = (event) => event.target.closest?.("[data-tip]");
  document.addEventListener("focusin", (event) => (owner(event) ? showTip(owner(event)) : hideTip()));
  document.addEventListener("focusout", hideTip);
  document.addEventListener("mouseover", (event) => { if (owner(event)) { hideTip(); showTip(owner(event)); } });
  document.addEventListener("mouseout", (event) => { if (owner(event)) hideTip(); });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
  window.addEventListener("scroll", () => { if (explained) showTip(explained); }, { passive: true }); // focus scrolls too
}

function showTip(node) {
  explained = node;
  tip.textContent = node.dataset.tip;
  tip.hidden = false;
  node.setAttribute("aria-describedby", "tip");
  const { left, bottom, top } = node.getBoundingClientRect();
  const { width, height } = tip.getBoundingClientRect();
  const room = document.documentElement.clientWidth - width - 8;
  const below = bottom + 6 + height < innerHeight;
  tip.style.setProperty("left", `${Math.max(8, Math.min(left, room))}px`);
  tip.style.setProperty("top", `${below ? bottom + 6 : top - height - 6}px`);
}

function hideTip() {
  tip.hidden = true;
  explained?.removeAttribute("aria-describedby");
  explained = null;
}

/* Let the arrow keys go through the points of a picture from left to right: each shows its tip and is read aloud.
   `points` has {x, y, text} in pixels of the picture. */
function walkable(svg, points) {
  const ordered = d3.sort(points, (point) => point.x, (point) => point.y);
  if (!ordered.length) return;
  let place = -1;
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  const pointer = (type, { x, y }) => {
    const { x: clientX, y: clientY } = new DOMPoint(x, y).matrixTransform(svg.getScreenCTM());
    svg.dispatchEvent(new PointerEvent(type, { clientX, clientY, pointerType: "mouse", bubbles: true }));
  };
  svg.setAttribute("tabindex", "0");
  svg.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return pointer("pointerleave", { x: 0, y: 0 });
    if (event.key === "Home") place = 0;
    else if (event.key === "End") place = ordered.length - 1;
    else if (steps[event.key]) place = Math.max(0, Math.min(ordered.length - 1, place + steps[event.key]));
    else return;
    event.preventDefault();
    pointer("pointermove", ordered[place]);
    document.getElementById("said").textContent = ordered[place].text.replaceAll("\n", ", ");
  });
  svg.addEventListener("blur", () => pointer("pointerleave", { x: 0, y: 0 }));
}

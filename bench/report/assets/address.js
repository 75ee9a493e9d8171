/* What is chosen is in the address, after its #, so that a reload keeps it and a link carries it.
   A # with a section's name alone is a link to that section. */

function readAddress() {
  const text = location.hash.slice(1);
  if (text.includes("=")) return Object.fromEntries(new URLSearchParams(text));
  return text ? { at: decodeURIComponent(text) } : {};
}

const address = readAddress();

/* Keep choices by name; one that is empty is forgotten. */
function keep(changes) {
  for (const [name, value] of Object.entries(changes)) {
    if (value === "" || value === null || value === undefined) delete address[name];
    else address[name] = value;
  }
  const text = new URLSearchParams(address).toString();
  history.replaceState(null, "", `#${text}`);
}

/* Go to a section, which the sticky navigation must not cover, and let the keyboard go on from there. */
function goTo(id) {
  const node = document.getElementById(id);
  if (!node) return;
  node.scrollIntoView();
  const title = node.querySelector("h2");
  if (!title) return;
  title.setAttribute("tabindex", "-1");
  title.focus({ preventScroll: true });
}

function startAddress() {
  window.addEventListener("hashchange", () => location.reload()); // somebody else's link, in the same window
  for (const link of document.querySelectorAll(".skip")) {
    link.addEventListener("click", (event) => { event.preventDefault(); goTo(link.getAttribute("href").slice(1)); });
  }
}

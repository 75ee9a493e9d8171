/* A page that is served while a grid runs: it looks every few seconds whether there is a newer one, and becomes it. */

const LOOK_EVERY = 3000; // milliseconds
const SCROLLED = "scrolled";

/* Once all is drawn: be where the reader was before the page was renewed, or at the section that the address names. */
function arrive() {
  const line = document.getElementById("live");
  const scrolled = line && sessionStorage.getItem(SCROLLED);
  if (scrolled) {
    sessionStorage.removeItem(SCROLLED);
    scrollTo({ top: Number(scrolled), behavior: "instant" });
  } else if (address.at) goTo(address.at);
}

/* What a reader does is not interrupted: an open dialog, a selection, words that are being typed. */
const isBusy = () => document.getElementById("details").open || !getSelection().isCollapsed || document.activeElement?.matches("input");

function startLive() {
  const line = document.getElementById("live");
  if (!line) return;
  const look = async () => {
    try {
      const { headers } = await fetch("/", { method: "HEAD", cache: "no-store" });
      const version = headers.get("ETag")?.replaceAll('"', "");
      if (version === line.dataset.version) return;
      if (isBusy()) line.textContent = "Live: more cells have ended; the page is renewed when you are done here.";
      else {
        sessionStorage.setItem(SCROLLED, String(scrollY));
        location.reload();
      }
    } catch {
      clearInterval(timer);
      line.textContent = "The run has ended, or was stopped; this is the page as it was last.";
    }
  };
  const timer = setInterval(look, LOOK_EVERY);
}

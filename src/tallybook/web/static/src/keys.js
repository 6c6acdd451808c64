import { $, $$ } from "./dom.js";
import { selectTo } from "./list.js";
import { looked, press } from "./review.js";

const STEP_KEYS = ["Digit1", "Digit2", "Digit3", "Digit4", "Digit5", "Digit6", "Digit7", "Digit8", "Digit9", "Digit0", "Minus", "Equal"];
const links = () => $$("#rows > .row > a");

/** Moves the focus along links, from the one that has it or the current one. */
export function walk(all, by) {
  const at = all.findIndex((link) => link === document.activeElement || link.parentElement.contains(document.activeElement));
  const start = at >= 0 ? at : all.findIndex((link) => link.hasAttribute("aria-current"));
  const next = all[Math.min(Math.max(start + by, 0), all.length - 1)];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

function select(range) {
  const box = (document.activeElement.closest?.(".row") ?? $('a[aria-current="true"]')?.closest(".row"))?.querySelector(".pickbox");
  if (!box) return;
  if (range) {
    selectTo(box);
    return;
  }
  box.checked = !box.checked;
  box.dispatchEvent(new Event("change", { bubbles: true }));
}

const KEYS = {
  j: () => walk(links(), 1),
  k: () => walk(links(), -1),
  x: () => select(false),
  X: () => select(true),
  "/": () => $("#search").focus(),
  "?": () => $("#keys").showModal(),
  c: () => $("#comment")?.focus(),
  l: looked,
  f: () => $("#feedback")?.focus(),
  a: () => $("#assign")?.focus(),
};

/** What a key means: by what it says, and on a keyboard without Latin letters by where it stands. */
export const meant = (keys, event) => keys[event.key] ?? (/^\p{ASCII}*$/u.test(event.key) ? undefined : keys[event.code.replace("Key", "").toLowerCase()]);

/** One key each; steps by where the key stands, so that shift and other keyboards do not matter. */
export function startKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("dialog[open]")) return;
    if (event.key === "Escape" && document.activeElement.matches("input, textarea, select")) {
      document.activeElement.blur();
      return;
    }
    if (event.target.matches("textarea, select, input:not([type=radio]):not([type=checkbox])")) return;
    const act = meant(KEYS, event);
    const step = STEP_KEYS.indexOf(event.code);
    if (!act && step < 0) return;
    event.preventDefault();
    if (act) act();
    else if ($("#sheet")) press(step, event.shiftKey);
  });
}

// Threads of the list that are chosen to be put away together; they stay chosen while the list is drawn anew.
import { $, $$ } from "./dom.js";

const chosen = new Set();

/** After the list was drawn: what was chosen is so still. */
export function keepChosen() {
  for (const one of $$("#talks .pick-one")) one.checked = chosen.has(one.value);
}

function choose() {
  const box = $("#choose");
  if (!box) return;
  box.open = true;
  const row = document.activeElement.closest?.("#talks .talk") ?? $("#talks .talk:has([aria-current])") ?? $("#talks .talk");
  const one = row && $(".pick-one", row);
  if (one) one.click();
}

/** What the keys of the inbox do to how threads stand; the keys themselves are heard in inbox.js. */
export const STATE_KEYS = { e: () => $("#settle")?.requestSubmit($("#settle button")), x: choose };

document.addEventListener("change", (event) => {
  if (!event.target.matches(".pick-one")) return;
  if (event.target.checked) chosen.add(event.target.value);
  else chosen.delete(event.target.value);
});

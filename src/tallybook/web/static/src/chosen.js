// Threads of the list that are chosen, to do one thing to all of them; they stay chosen while the list is drawn anew.
import { $, $$, toast } from "./dom.js";

const chosen = new Set();
let last = null; // the thread that was chosen last: where a range begins
let unfolded = false;

const boxes = () => $$("#talks .pick-one");
const most = () => Number($("#chosen").dataset.limit);

/** Says how many are chosen of those that are shown: what a button of the form sends. */
function tell() {
  const told = $("#chosen");
  if (!told) return;
  const count = boxes().filter((one) => one.checked).length;
  const words = count ? told.dataset.some.replace("{n}", count) : told.dataset.none;
  if (told.textContent !== words) told.textContent = words;
}

/** After the list was drawn: what was chosen is so still. */
export function keepChosen() {
  for (const one of boxes()) one.checked = chosen.has(one.value);
  tell();
}

function put(box, on) {
  if (on && !chosen.has(box.value) && chosen.size >= most()) {
    box.checked = false;
    toast($("#chosen").dataset.most.replace("{n}", most()));
    return false;
  }
  box.checked = on;
  if (on) chosen.add(box.value);
  else chosen.delete(box.value);
  return true;
}

/** Chooses, or leaves out, everything between the thread that was chosen last and this one. */
function putTo(box, on) {
  const all = boxes();
  const [from, to] = [all.findIndex((one) => one.value === last), all.indexOf(box)].sort((a, b) => a - b);
  for (const one of all.slice(from < 0 ? to : from, to + 1)) if (!put(one, on)) break;
}

function current() {
  const row = document.activeElement.closest?.("#talks .talk") ?? $("#talks .talk:has([aria-current])") ?? $("#talks .talk");
  return row && $(".pick-one", row);
}

function choose(range) {
  const box = $("#choose");
  const one = box && current();
  if (!one) return;
  box.open = true;
  if (range) putTo(one, true);
  else put(one, !one.checked);
  last = one.value;
  tell();
}

/** What the keys of the inbox do to how threads stand; the keys themselves are heard in inbox.js. */
export const STATE_KEYS = {
  e: () => $("#settle")?.requestSubmit($("#settle button")),
  x: () => choose(false),
  X: () => choose(true),
};

function leaveOut() {
  chosen.clear();
  last = null;
  keepChosen();
}

document.addEventListener("click", (event) => {
  if (event.target.closest("#choose-all")) {
    const all = boxes();
    if (all.every((one) => one.checked)) leaveOut();
    else for (const one of all) if (!put(one, true)) break;
    tell();
    return;
  }
  if (!event.target.matches("#talks .pick-one")) return;
  const box = event.target;
  if (event.shiftKey && last !== null) putTo(box, box.checked);
  else put(box, box.checked);
  last = box.value;
  tell();
});

document.addEventListener("toggle", (event) => {
  if (event.target.id !== "choose") return;
  unfolded = event.target.open;
  if (!unfolded) leaveOut();
}, true);

// Other filters, another list: what was chosen in the one before is not seen in it, and would be sent unseen later.
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target?.id !== "threads") return;
  const open = unfolded;
  leaveOut();
  if ($("#choose")) $("#choose").open = open;
});

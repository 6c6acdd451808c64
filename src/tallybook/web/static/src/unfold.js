// The keys by which a thread's own small menus open.
import { $ } from "./dom.js";

function unfold(name, first) {
  const box = $(`#talk #${name}`);
  if (!box) return;
  box.open = true;
  $(first, box)?.focus();
}

/** What a key of the inbox opens; the keys themselves are heard in inbox.js. */
export const DESK_KEYS = {
  a: () => unfold("assign", "button.item"),
  l: () => unfold("label", "button.item, a"),
  n: () => unfold("note-pad", "textarea"),
  z: () => unfold("snooze", "button.item:not(.narrow-only)"),
};

// The bot's draft goes to where an answer is written, behind what stands there already.
import { $ } from "./dom.js";

export function startDraft() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("#draft-edit");
    const text = $("#text");
    if (!link || !text || text.disabled) return;
    event.preventDefault();
    text.value = [text.value.trim(), link.dataset.draft].filter(Boolean).join("\n");
    text.dispatchEvent(new Event("input", { bubbles: true }));
    text.focus();
  });
}

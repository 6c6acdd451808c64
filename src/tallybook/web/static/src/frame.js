import { $$, toast } from "./dom.js";

/** Menus that close when one looks elsewhere, dialogs, and forms that are sent once. */
export function startFrame() {
  document.addEventListener("click", (event) => {
    for (const menu of $$("details.pop[open]")) if (!menu.contains(event.target)) menu.open = false;
    const opener = event.target.closest("[data-open]");
    if (opener) document.getElementById(opener.dataset.open)?.showModal();
    const copier = event.target.closest("[data-copy]");
    if (copier) {
      const field = document.getElementById(copier.dataset.copy);
      // Where the browser lets no page write there, it is at least chosen for the keyboard.
      field.select();
      navigator.clipboard?.writeText(field.value).then(() => toast(copier.dataset.said), () => {});
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of $$("details.pop[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (event.defaultPrevented || event.target.method !== "post" || !button) return;
    // Disabled only after the form's data were taken, which include the button's own.
    setTimeout(() => button.setAttribute("aria-busy", "true"));
  });
  addEventListener("pageshow", () => $$("[aria-busy]").forEach((button) => button.removeAttribute("aria-busy")));
}

// What is done to a review beside its steps: feedback, whose it is, photos. Without a script each is a plain form.
import { $ } from "./dom.js";
import { refreshList } from "./list.js";
import { redraw, say } from "./review.js";

const under = new Set(); // forms on their way: a second press waits for nothing and does nothing

/** Sends a form, and draws the review as it is then; says why, in the review's own place, where it could not be done. */
async function act(form, button) {
  const id = $("#sheet").dataset.id;
  if (under.has(form.action)) return;
  under.add(form.action);
  const body = new URLSearchParams(new FormData(form));
  if (button?.name) body.set(button.name, button.value);
  const { sayAway, sayShow } = $("#sheet").dataset;
  let answer = null;
  try {
    answer = await fetch(form.action, { method: "POST", headers: { Accept: "application/json" }, body, redirect: "manual" });
  } catch {
    // no answer: said below
  }
  under.delete(form.action);
  if ($("#sheet")?.dataset.id !== id) return;
  if (answer?.type === "opaqueredirect") {
    const field = $("#feedback");
    if (form.id === "say-it" && field) {
      field.value = field.defaultValue;
      field.blur(); // while somebody is in a field the review is not drawn, and what became of it would not show
    }
    await redraw(() => false);
    refreshList();
    return;
  }
  const told = (await answer?.json().catch(() => null))?.error ?? {};
  const away = !answer || answer.status >= 502;
  const meanwhile = ["POSTED_MEANWHILE", "SAID_MEANWHILE", "ASSIGNED_MEANWHILE"].includes(told.code);
  if (form.classList.contains("assign")) await redraw(() => false);
  say("wrong", (!away && told.message) || sayAway, "wrong", meanwhile && sayShow, () => redraw(() => false));
}

/** A photo as large as the window, until a key or a click. */
function enlarge(link) {
  const dialog = document.createElement("dialog");
  dialog.className = "large";
  const small = link.querySelector("img");
  const picture = document.createElement("img");
  picture.src = small.src;
  picture.alt = small.alt;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "button";
  close.textContent = link.dataset.close;
  dialog.append(picture, close);
  dialog.setAttribute("aria-label", small.alt);
  dialog.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    link.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
}

export function startBeside() {
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("#sheet form.act")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    act(event.target, event.submitter);
  }, true);
  document.addEventListener("change", (event) => {
    if (event.target.id === "assign") event.target.form.requestSubmit();
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.id !== "feedback" || event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    const button = event.target.form.querySelector("button");
    if (!button.disabled) event.target.form.requestSubmit(button);
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("#sheet a[data-large]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    enlarge(link);
  });
}

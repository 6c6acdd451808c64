// Who works on a thread, what stands on it, what is noted: done where one is, without another page.
import { Idiomorph } from "idiomorph/dist/idiomorph.esm.js";
import { $, $$ } from "./dom.js";
import { refreshInbox, toEnd } from "./inbox.js";

const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** What the server draws anew of a thread's head and customer; what is open stays open, and who is in it stays there. */
function adopt(fresh) {
  const drawn = $$("[data-fresh]", fresh);
  $$("#talk [data-fresh]").forEach((old, at) => {
    const one = drawn[at];
    if (!one || one.dataset.fresh !== old.dataset.fresh || old.isEqualNode(one)) return;
    const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
    Idiomorph.morph(old, one.innerHTML, { morphStyle: "innerHTML" });
    if (focused) document.getElementById(focused)?.focus();
  });
}

/** How many threads name the reader: beside the filters, which are never drawn anew. */
function count(fresh) {
  const drawn = $("#mentions-count", fresh.parentElement ?? fresh);
  const badge = $("#mentions-count");
  if (!drawn || !badge) return;
  badge.textContent = drawn.textContent;
  badge.hidden = drawn.hidden;
}

function trouble(form, words) {
  let line = $(".trouble", form);
  if (!line) {
    line = document.createElement("p");
    line.className = "trouble";
    line.setAttribute("role", "alert");
    form.append(line);
  }
  line.textContent = words;
}

/** Sends a small form and draws the page as it is now. What was typed stays until it is kept. */
async function quietly(form, button) {
  if (form.getAttribute("aria-busy")) return;
  form.setAttribute("aria-busy", "true");
  const body = new URLSearchParams(new FormData(form, button));
  let answer = null;
  try {
    answer = await fetch(form.action, { method: "POST", headers: { Accept: "application/json" }, body, redirect: "manual" });
  } catch {
    // no answer: said below
  }
  form.removeAttribute("aria-busy");
  if (answer?.type !== "opaqueredirect") {
    const said = await answer?.json().catch(() => null);
    trouble(form, said?.error?.code === "TAKEN" ? form.dataset.taken : form.dataset.away);
    return;
  }
  $(".trouble", form)?.remove();
  if (form.id === "noting") {
    form.reset();
    form.elements.key.value = newKey();
    form.closest("details").open = false;
  } else if (form.matches(".give > form")) form.closest("details").open = false;
  await refreshInbox();
  if (form.id === "noting") toEnd();
}

function walk(event) {
  const box = event.target.closest(".give .pop-body");
  if (!box || !["ArrowDown", "ArrowUp"].includes(event.key)) return;
  event.preventDefault();
  const all = $$(".item, a", box);
  const at = all.indexOf(document.activeElement);
  all[(at + (event.key === "ArrowDown" ? 1 : -1) + all.length) % all.length]?.focus();
}

export function startDesk() {
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form.quiet")) return;
    event.preventDefault();
    quietly(event.target, event.submitter);
  });
  document.addEventListener("thread-drawn", (event) => {
    adopt(event.detail);
    count(event.detail);
  });
  document.addEventListener("keydown", (event) => {
    walk(event);
    if (event.target.id === "note-text" && event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("#noting").requestSubmit();
    const box = event.key === "Escape" && event.target.closest("details.give, #note-pad");
    if (!box) return;
    box.open = false;
    $("summary", box).focus();
  });
}

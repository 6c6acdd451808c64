// Where an answer is written: Enter sends, Shift and Enter begin a line, and what was typed stays until it is sent.
import { $, parsed } from "./dom.js";
import { refreshInbox, toEnd } from "./inbox.js";

const drafts = new Map(); // what was typed in each thread and not sent, while this page is open
let underWay = false;

const form = () => $("#composer");
const thread = () => $("#talk")?.dataset.id;
export const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

export function note(kind, words) {
  const line = $("#note");
  line.className = `note ${kind}`;
  line.setAttribute("role", kind === "wrong" ? "alert" : "status");
  line.lastElementChild.textContent = words;
}

/** The composer's truth as the server draws it now; the text is never touched. */
function adopt(fresh) {
  const drawn = $("#composer", fresh);
  if (!drawn || !form()) return;
  $("#note").replaceWith(document.importNode($("#note", drawn), true));
  for (const name of ["#text", "button.first", "#file"]) $(name, form()).disabled = $(name, drawn).disabled;
}

async function send() {
  const text = $("#text");
  const id = thread();
  if (underWay || !text.value.trim()) return;
  underWay = true;
  text.readOnly = true;
  $("button.first", form()).setAttribute("aria-busy", "true");
  let answer = null;
  try {
    const headers = { "HX-Request": "true", "X-Part": "composer", Accept: "text/html" };
    answer = await fetch(form().action, { method: "POST", headers, body: new URLSearchParams(new FormData(form())), redirect: "manual" });
  } catch {
    // no answer: said below
  }
  const told = answer?.type === "opaqueredirect" ? null : parsed((await answer?.text().catch(() => "")) ?? "");
  underWay = false;
  if (!told) drafts.delete(id);
  if (thread() !== id) return;
  text.readOnly = false;
  $("button.first", form()).removeAttribute("aria-busy");
  if (told) {
    // The same key as long as nobody knows what became of it: if it was sent, pressing again sends nothing.
    if ($("#composer", told)) form().elements.key.value = $("#composer", told).elements.key.value;
    if ($("#note", told)) adopt(told);
    else note("wrong", form().dataset.away);
    text.focus();
    return;
  }
  $("#note").classList.remove("wrong");
  text.value = "";
  form().elements.key.value = newKey();
  if (form().elements.quote) form().elements.quote.value = "";
  if ($("#quoting")) $("#quoting").hidden = true;
  await refreshInbox();
  toEnd();
}

export function startComposer() {
  document.addEventListener("submit", (event) => {
    if (event.target.id !== "composer" || event.submitter?.hasAttribute("formaction")) return;
    event.preventDefault();
    send();
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.id !== "text" || event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    // On a keyboard of glass there is no Shift and Enter: there the button sends.
    if (matchMedia("(pointer: coarse)").matches) return;
    event.preventDefault();
    send();
  });
  document.addEventListener("input", (event) => {
    if (event.target.id === "text") drafts.set(thread(), event.target.value);
  });
  document.addEventListener("thread-drawn", (event) => {
    if (!underWay && !$("#note.wrong")) adopt(event.detail);
  });
  document.body.addEventListener("htmx:afterSettle", (event) => {
    const draft = event.detail.target?.id === "thread" && drafts.get(thread());
    if (draft && $("#text")) $("#text").value = draft;
  });
}

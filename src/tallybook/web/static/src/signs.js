// Answering one message: quoting it, an emoji on it; and showing the customer that somebody writes.
import { $, $$ } from "./dom.js";
import { newKey } from "./composer.js";
import { refreshInbox } from "./inbox.js";

const TYPING = 20000; // milliseconds that the customer is shown it
let told = 0;
let toldOf = null;

const form = () => $("#composer");

export function quote(id, words) {
  if (!form()?.elements.quote) return;
  form().elements.quote.value = id;
  $("#quoting").hidden = !id;
  $("#quoting blockquote").textContent = words;
}

function quoteMessage(id) {
  const bubble = $(`#m${id}`);
  quote(id, ($(".words", bubble) ?? $(".what", bubble))?.textContent ?? "");
  $("#text")?.focus();
}

/** The message that has the focus, else the customer's newest. */
function meantMessage() {
  const near = document.activeElement?.closest?.(".said");
  const links = near ? $$("[data-quote]", near) : $$(".said:not(.ours) [data-quote]");
  return links[links.length - 1]?.dataset.quote;
}

function askEmoji(id) {
  const dialog = $("#react");
  const react = $("form", dialog);
  react.elements.message.value = id;
  react.elements.key.value = newKey();
  $(".note", react).hidden = true;
  dialog.showModal();
}

async function react(event) {
  event.preventDefault();
  const sent = event.target;
  const body = new URLSearchParams(new FormData(sent, event.submitter));
  const answer = await fetch(sent.action, { method: "POST", body, redirect: "manual", headers: { Accept: "text/html" } }).catch(() => null);
  if (answer?.type === "opaqueredirect") {
    $("#react").close();
    await refreshInbox();
    return;
  }
  const page = new DOMParser().parseFromString((await answer?.text().catch(() => "")) ?? "", "text/html");
  $(".note", sent).textContent = $(".notice", page)?.textContent.trim() || sent.dataset.away;
  $(".note", sent).hidden = false;
}

/** Nobody waits for it, and nothing is said where it fails. */
function tellTyping() {
  const id = $("#talk")?.dataset.id;
  const now = Date.now();
  if (!id || !$("#react") || !$("#text").value.trim() || (toldOf === id && now - told < TYPING)) return;
  told = now;
  toldOf = id;
  const token = new FormData(form()).get("_csrf_token");
  fetch(`/inbox/${id}/typing`, { method: "POST", body: new URLSearchParams({ _csrf_token: token }), keepalive: true }).catch(() => {});
}

export function startSigns() {
  document.addEventListener("click", (event) => {
    const doing = event.target.closest?.("[data-quote], [data-react], #unquote");
    if (!doing || event.ctrlKey || event.metaKey) return;
    if (doing.dataset.react && !$("#react")) return;
    event.preventDefault();
    if (doing.id === "unquote") quote("", "");
    else if (doing.dataset.quote) quoteMessage(doing.dataset.quote);
    else askEmoji(doing.dataset.react);
  });
  document.addEventListener("submit", (event) => {
    if (event.target.closest("#react")) react(event);
  });
  document.addEventListener("input", (event) => {
    if (event.target.id === "text") tellTyping();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("dialog[open]")) return;
    if (event.key === "Escape" && event.target.id === "text") quote("", "");
    if (event.target.matches("textarea, select, input") || event.code !== "KeyQ" || event.shiftKey) return;
    const id = meantMessage();
    if (!id) return;
    event.preventDefault();
    quoteMessage(id);
  });
}

// A file beside an answer: chosen, pasted or dragged in, looked at, sent with what was typed; and photos seen large.
import { newKey, note } from "./composer.js";
import { $, $$, icon, parsed } from "./dom.js";
import { refreshInbox, toEnd } from "./inbox.js";

const MEGA = 1024 * 1024;
const STEPS = ["B", "KB", "MB"];
const chosen = new Map(); // the file that waits in each thread, while this page is open
let underWay = null;

const form = () => $("#composer");
const field = () => $("#file");
const thread = () => $("#talk")?.dataset.id;
const waiting = () => chosen.get(thread());

function size(bytes) {
  let [value, step] = [bytes, 0];
  while (value >= 1024 && step < STEPS.length - 1) [value, step] = [value / 1024, step + 1];
  return `${step && value < 10 ? value.toFixed(1) : Math.round(value)} ${STEPS[step]}`;
}

/** What is chosen, above the words: a small picture or an icon, its name, and a way to take it away. */
function draw() {
  $("#attached")?.remove();
  if (!form() || !field()) return;
  const file = waiting();
  $("#text").required = !file;
  if (!file) return;
  const box = document.createElement("div");
  box.id = "attached";
  if (/^image\/(jpeg|png)$/.test(file.type)) {
    const picture = document.createElement("img");
    picture.alt = "";
    const reader = new FileReader();
    reader.addEventListener("load", () => (picture.src = reader.result));
    reader.readAsDataURL(file);
    box.append(picture);
  } else box.append(icon("file"));
  const words = document.createElement("p");
  words.innerHTML = "<bdi></bdi><small><bdi dir='ltr'></bdi></small>";
  words.firstChild.textContent = file.name;
  words.lastChild.firstChild.textContent = size(file.size);
  const bar = document.createElement("progress");
  bar.max = 1;
  bar.value = 0;
  bar.hidden = true;
  bar.setAttribute("aria-label", field().dataset.sending);
  const away = document.createElement("button");
  away.type = "button";
  away.className = "button plain square";
  away.setAttribute("aria-label", field().dataset.remove);
  away.append(icon("cross"));
  away.addEventListener("click", () => choose(null));
  box.append(words, bar, away);
  $(".write", form()).before(box);
}

function choose(file) {
  if (!form() || !field() || field().disabled || underWay) return;
  if (file && file.size > Number(field().dataset.most) * MEGA) {
    note("wrong", field().dataset.large);
    return;
  }
  if (file) chosen.set(thread(), file);
  else chosen.delete(thread());
  field().value = "";
  draw();
  $("#text").focus();
}

/** Sends by a request that tells how far it is. Answers with its status and what it said; 0 is no answer. */
function post(url, data, progress) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("X-CSRFToken", $("input[type=hidden]:not([name=key])", form()).value);
    request.setRequestHeader("HX-Request", "true");
    request.setRequestHeader("X-Part", "composer");
    request.setRequestHeader("Accept", "text/html");
    request.upload.addEventListener("progress", (event) => event.lengthComputable && progress(event.loaded / event.total));
    request.addEventListener("loadend", () => resolve([request.status, request.responseText]));
    request.send(data);
  });
}

async function send() {
  if (underWay) return;
  const [id, text, file] = [thread(), $("#text"), waiting()];
  const data = new FormData();
  data.set("key", form().elements.key.value);
  data.set("text", text.value);
  data.set("file", file);
  underWay = id;
  text.readOnly = true;
  $("button.first", form()).setAttribute("aria-busy", "true");
  const bar = $("#attached progress");
  bar.hidden = false;
  const [status, said] = await post(field().dataset.action, data, (done) => (bar.value = done));
  underWay = null;
  if (status === 204) chosen.delete(id);
  if (thread() !== id) return;
  text.readOnly = false;
  $("button.first", form()).removeAttribute("aria-busy");
  bar.hidden = true;
  if (status !== 204) {
    const told = said && $("#composer", parsed(said));
    // The same key as long as nobody knows what became of it.
    if (told) form().elements.key.value = told.elements.key.value;
    note("wrong", (told && $("#note", told)?.lastElementChild.textContent) || form().dataset.away);
    text.focus();
    return;
  }
  $("#note").classList.remove("wrong");
  text.value = "";
  text.dispatchEvent(new Event("input", { bubbles: true }));
  form().elements.key.value = newKey();
  draw();
  await refreshInbox();
  toEnd();
}

/** Before the composer's own: with a file, the file's way is taken. */
function takesOver(event) {
  event.preventDefault();
  event.stopImmediatePropagation();
  send();
}

function large(link) {
  const dialog = document.createElement("dialog");
  dialog.className = "large";
  const picture = $("img", link).cloneNode();
  picture.removeAttribute("width");
  picture.removeAttribute("height");
  picture.loading = "eager";
  const close = document.createElement("form");
  close.method = "dialog";
  const button = document.createElement("button");
  button.className = "button square";
  button.setAttribute("aria-label", $("#scroll").dataset.close);
  button.append(icon("cross"));
  close.append(button);
  dialog.setAttribute("aria-label", picture.alt);
  dialog.append(close, picture);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

export function startAttach() {
  document.addEventListener("change", (event) => event.target.id === "file" && event.target.files[0] && choose(event.target.files[0]));
  document.addEventListener("paste", (event) => {
    const file = event.target.id === "text" && event.clipboardData.files[0];
    if (!file) return;
    event.preventDefault();
    choose(file);
  });
  document.addEventListener("dragover", (event) => {
    if (!event.target.closest?.(".talk-pane") || ![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    $(".talk-pane").classList.add("over");
  });
  for (const end of ["dragleave", "drop", "dragend"]) document.addEventListener(end, () => $$(".talk-pane.over").forEach((pane) => pane.classList.remove("over")));
  document.addEventListener("drop", (event) => {
    if (!event.target.closest?.(".talk-pane") || !event.dataTransfer.files.length) return;
    event.preventDefault();
    choose(event.dataTransfer.files[0]);
  });
  document.addEventListener("submit", (event) => event.target.id === "composer" && waiting() && !event.submitter?.hasAttribute("formaction") && takesOver(event), true);
  const enters = (event) => event.target.id === "text" && event.key === "Enter" && !event.shiftKey && !event.isComposing;
  document.addEventListener(
    "keydown",
    (event) => enters(event) && waiting() && !matchMedia("(pointer: coarse)").matches && takesOver(event),
    true,
  );
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-large]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    large(link);
  });
  document.body.addEventListener("htmx:afterSettle", (event) => event.detail.target?.id === "thread" && draw());
}

// Canned answers where an answer is written: “/” opens them, what is typed behind it seeks, Enter puts one there filled.
import { $, call } from "./dom.js";

const PLACE = /\{[^{}\n]{1,40}\}/u;
let shown = [];
let at = 0;
let asked = 0;
let underWay = false;
let meant = false; // Enter was pressed before the list was there

const text = () => $("#text");
const list = () => $("#canned");
const sought = () => (/^\/[^\n]{0,60}$/.test(text()?.value ?? "") ? text().value.slice(1) : null);

function close() {
  shown = [];
  meant = false;
  if (list()) list().hidden = true;
  text()?.removeAttribute("aria-activedescendant");
}

function mark() {
  [...$("#canned-list").children].forEach((one, number) => one.setAttribute("aria-selected", String(number === at)));
  text().setAttribute("aria-activedescendant", `canned-${at}`);
  $(`#canned-${at}`)?.scrollIntoView({ block: "nearest" });
}

function draw() {
  $("#canned-list").replaceChildren(
    ...shown.map((one, number) => {
      const item = document.createElement("li");
      item.id = `canned-${number}`;
      item.setAttribute("role", "option");
      const name = document.createElement("b");
      name.textContent = `/${one.shortcut}`;
      const words = document.createElement("span");
      words.className = "cut";
      words.textContent = one.text;
      name.dir = words.dir = "auto";
      item.append(name, words);
      item.addEventListener("mousedown", (event) => {
        event.preventDefault();
        put(one);
      });
      return item;
    }),
  );
  $("#canned-none").hidden = shown.length > 0;
  list().hidden = false;
  if (shown.length) mark();
}

async function seek() {
  const words = sought();
  if (words === null || text().readOnly) return close();
  const turn = ++asked;
  underWay = true;
  const answer = await call("GET", `/api/crm/threads/${$("#talk").dataset.id}/canned?q=${encodeURIComponent(words)}`);
  // Somebody who types on asks again, and an older answer must not take the newer one's place.
  if (turn !== asked) return;
  underWay = false;
  if (sought() === null || !answer.ok) return close();
  shown = answer.data;
  at = 0;
  if (meant && shown.length) put(shown[0]);
  else draw();
  meant = false;
}

function put(one) {
  const field = text();
  close();
  field.value = one.text;
  field.focus();
  field.dispatchEvent(new Event("input", { bubbles: true }));
  const place = one.missing.length ? PLACE.exec(one.text) : null;
  if (place) field.setSelectionRange(place.index, place.index + place[0].length);
}

const KEYS = {
  ArrowDown: () => { at = (at + 1) % shown.length; mark(); },
  ArrowUp: () => { at = (at - 1 + shown.length) % shown.length; mark(); },
  Enter: () => put(shown[at]),
  Tab: () => put(shown[at]),
};

export function startCanned() {
  document.addEventListener("input", (event) => {
    if (event.target.id === "text") seek();
  });
  // Before the composer hears of it, to which Enter means something else.
  document.addEventListener("keydown", (event) => {
    if (event.target.id !== "text" || !list() || event.isComposing) return;
    const early = event.key === "Enter" && underWay && sought() !== null;
    if (list().hidden && !early) return;
    if (early) meant = true;
    else if (event.key === "Escape") close();
    else if (KEYS[event.key] && shown.length) KEYS[event.key]();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }, true);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("#canned, #text")) close();
  });
}

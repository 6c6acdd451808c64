import htmx from "htmx.org";
import { Idiomorph } from "idiomorph/dist/idiomorph.esm.js";
import { $, $$, fragment, toast } from "./dom.js";
import { searchOn } from "./search.js";

let waiting = null;
let asking = false;
let again = false;

const list = () => $("#list");
const rows = () => $$("#rows > .row");
const news = (row) => `${row.dataset.id} ${row.dataset.news}`;

/** Whether somebody is in the middle of the list, so that nothing in it may move. */
function reading() {
  const scrolled = list().scrollTop > 8 || (getComputedStyle(list()).overflowY === "visible" && scrollY > 8);
  return scrolled || list().matches(":hover") || list().contains(document.activeElement) || $$(".pickbox:checked").length > 0
    || !!$("#review #sheet");
}

const options = {
  morphStyle: "innerHTML",
  callbacks: {
    beforeNodeMorphed(old, fresh) {
      if (old.id === "filters" || old.id === "selected") return false;
      if (old.classList?.contains("pickbox")) return false;
      if (old.id?.startsWith("row-")) keepCurrent(old, fresh);
      return true;
    },
    beforeAttributeUpdated: (name) => name !== "open",
  },
};

function keepCurrent(old, fresh) {
  const link = fresh.querySelector?.("a");
  if (link && old.querySelector("a")?.hasAttribute("aria-current")) link.setAttribute("aria-current", "true");
}

function recount(fresh) {
  const told = $("#count", fresh)?.textContent;
  if (told && $("#count").textContent !== told) $("#count").textContent = told;
}

/** Puts a freshly drawn list in place of the one that is shown. */
function replace(fresh) {
  const before = new Set(rows().map((row) => row.dataset.id));
  Idiomorph.morph(list(), fresh.innerHTML, options);
  htmx.process(list());
  for (const row of rows()) if (!before.has(row.dataset.id)) row.classList.add("new");
  recount(fresh);
  waiting = null;
  $("#news").hidden = true;
}

/** Rows that are shown change where they stand; new ones wait under the pill. */
function patch(fresh) {
  const shown = new Map(rows().map((row) => [row.id, row]));
  const known = new Set(rows().map(news));
  let fresher = 0;
  for (const row of $$("#rows > .row", fresh)) {
    if (!known.has(news(row))) fresher += 1;
    const old = shown.get(row.id);
    if (!old) continue;
    keepCurrent(old, row);
    const kept = old.dataset.news;
    Idiomorph.morph(old, row.outerHTML, { ...options, morphStyle: "outerHTML" });
    $(`#${row.id}`).dataset.news = kept;
    htmx.process($(`#${row.id}`));
  }
  recount(fresh);
  if (!fresher) return;
  waiting = fresh;
  const pill = $("#news");
  pill.lastElementChild.textContent = pill.dataset.one.replace("{n}", fresher);
  pill.hidden = false;
}

/** Asks for the list as it is now. Calls that come while one is under way become one more at its end. */
export async function refreshList() {
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  const address = new URL(location.href);
  const page = await fragment(`/wa-monitor${address.search}`, "fresh");
  // What was filtered since then is shown already, and may have been drawn before the news: it is asked for again.
  if (address.search !== location.search) again = true;
  else if (page) {
    const days = $("#days", page);
    if (days && $("#days")) Idiomorph.morph($("#days"), days.outerHTML, { morphStyle: "outerHTML" });
    if ($("#days")) htmx.process($("#days"));
    const fresh = $("#fresh-list", page);
    if (fresh) {
      if (reading() && rows().length) patch(fresh);
      else replace(fresh);
    }
  }
  asking = false;
  if (again) {
    again = false;
    refreshList();
  }
}

let last = null; // the box that was chosen last: where a range begins

function showSelected() {
  const picked = $$(".pickbox:checked");
  const form = $("#selected");
  if (!form) return;
  form.hidden = picked.length === 0;
  if (form.hidden) form.elements.all.value = "";
  const { one, all } = form.dataset;
  const everything = form.elements.all.value;
  form.querySelector("span").textContent = everything ? all.replace("{n}", $("#count").textContent) : one.replace("{n}", picked.length);
  form.elements.ids.value = picked.map((box) => box.closest(".row").dataset.id).join(" ");
}

/** Chooses everything between the box that was chosen last and this one. */
export function selectTo(box) {
  const boxes = $$(".pickbox");
  const [from, to] = [boxes.indexOf(last ?? box), boxes.indexOf(box)].sort((a, b) => a - b);
  for (const one of boxes.slice(Math.max(from, 0), to + 1)) one.checked = true;
  last = box;
  showSelected();
}

export function startList() {
  document.addEventListener("changed", refreshList);
  document.addEventListener("change", (event) => {
    if (!event.target.matches(".pickbox")) return;
    last = event.target;
    showSelected();
  });
  document.addEventListener("click", async (event) => {
    if (event.shiftKey && event.target.matches(".pickbox")) {
      const box = event.target;
      const begin = last;
      queueMicrotask(() => {
        last = begin;
        selectTo(box);
      });
      return;
    }
    if (event.target.closest("#news") && waiting) {
      replace(waiting);
      list().scrollTo({ top: 0 });
      rows()[0]?.querySelector("a").focus();
    }
    const action = event.target.closest("[data-do]")?.dataset.do;
    if (!action) return;
    if (action === "choose") {
      list().classList.toggle("choosing");
      event.target.closest(".choose").setAttribute("aria-pressed", list().classList.contains("choosing"));
      return;
    }
    if (action === "all") {
      for (const box of $$(".pickbox")) box.checked = true;
      $("#selected").elements.all.value = "1";
      showSelected();
      return;
    }
    if (action === "copy") {
      const numbers = $$(".pickbox:checked").map((box) => box.value).join("\n");
      await navigator.clipboard?.writeText(numbers).then(() => toast(numbers.replaceAll("\n", "  ")), () => {});
    }
    for (const box of $$(".pickbox:checked")) box.checked = false;
    showSelected();
  });
  document.body.addEventListener("htmx:afterSettle", () => {
    searchOn();
    const current = location.pathname.split("/")[2];
    for (const row of rows()) {
      const link = row.querySelector("a");
      if (row.dataset.id === current) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    // A row that moved while somebody paged may come twice.
    const seen = new Set();
    for (const row of rows()) {
      if (seen.has(row.id)) row.remove();
      seen.add(row.id);
    }
    const desk = $("#content");
    desk.classList.toggle("has-review", !!current);
    showSelected();
  });
  // A link keeps the review that is open only on wide screens; back is a real step in the history.
  addEventListener("popstate", () => location.reload());
}

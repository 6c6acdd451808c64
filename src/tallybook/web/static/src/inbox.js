// The inbox while it is looked at: news come in where they belong, and nothing moves under a pointer or takes words away.
import htmx from "htmx.org";
import { Idiomorph } from "idiomorph/dist/idiomorph.esm.js";
import { $, $$, fragment } from "./dom.js";
import { meant, walk } from "./keys.js";
import { searchOn } from "./search.js";
import { STATE_KEYS, keepChosen } from "./chosen.js";
import { DESK_KEYS } from "./unfold.js";

const AT_END = 80; // pixels from the end of a thread that still count as its end
let waiting = null; // a list that was drawn anew and waits under the pill
let asking = false;
let again = false;
let told = null; // what came of an act on several threads, and on which page: a reload does not say it again
let unseen = false; // something came into the open thread that nobody is known to have looked at

const rows = () => $$("#talks > .talk");
const news = (row) => `${row.dataset.id} ${row.dataset.news}`;
const open = () => $("#talk")?.dataset.id;

function atEnd() {
  const box = $("#scroll");
  return !!box && box.scrollHeight - box.scrollTop - box.clientHeight < AT_END;
}

export function toEnd() {
  const box = $("#scroll");
  if (box) box.scrollTop = box.scrollHeight;
  if ($("#below")) $("#below").hidden = true;
}

/** Whether somebody is in the middle of the list, so that nothing in it may move. */
const reading = () => $("#threads").scrollTop > 8 || $("#threads").matches(":hover") || $("#talks").contains(document.activeElement);

const options = {
  morphStyle: "innerHTML",
  callbacks: { beforeNodeMorphed: (old) => old.id !== "filters" && old.id !== "choose" },
};

function count(text, unread) {
  if (text && $("#count").textContent !== text) $("#count").textContent = text;
  const badge = $("#threads-waiting");
  badge.textContent = unread;
  badge.hidden = unread === "0";
}

function markCurrent() {
  keepChosen();
  for (const row of rows()) {
    const link = row.querySelector("a");
    if (row.dataset.id === open()) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

function replace(fresh) {
  const before = new Set(rows().map((row) => row.dataset.id));
  Idiomorph.morph($("#threads"), fresh.innerHTML, options);
  htmx.process($("#threads"));
  for (const row of rows()) if (!before.has(row.dataset.id)) row.classList.add("new");
  markCurrent();
  waiting = null;
  $("#news").hidden = true;
}

/** Rows that are shown change where they stand; what would move them waits under the pill. */
function patch(fresh) {
  const shown = new Map(rows().map((row) => [row.id, row]));
  const known = new Set(rows().map(news));
  let fresher = 0;
  for (const row of $$("#talks > .talk", fresh)) {
    if (!known.has(news(row)) && row.dataset.unread !== "0") fresher += 1;
    const old = shown.get(row.id);
    if (!old) continue;
    const kept = old.dataset.news;
    Idiomorph.morph(old, row.outerHTML, { morphStyle: "outerHTML" });
    $(`#${row.id}`).dataset.news = kept;
    htmx.process($(`#${row.id}`));
  }
  markCurrent();
  waiting = fresh;
  const pill = $("#news");
  pill.lastElementChild.textContent = pill.dataset.one.replace("{n}", fresher);
  pill.hidden = fresher === 0;
}

function freshList(fresh) {
  count($("#count", fresh)?.textContent, $("#threads-head", fresh).dataset.waiting);
  if (reading() && rows().length) patch(fresh);
  else replace(fresh);
}

/** Each message where it belongs in time; what is shown already changes where it stands. */
function freshThread(fresh) {
  const bubbles = $("#bubbles");
  const was = atEnd();
  const drawn = $$("#bubbles > [id]", fresh).filter((one) => one.id !== "earlier");
  let after = null;
  let fresher = false;
  for (const one of drawn) {
    const old = bubbles.querySelector(`#${one.id}`);
    if (old) {
      if (!old.isEqualNode(one)) Idiomorph.morph(old, one.outerHTML, { morphStyle: "outerHTML" });
      after = bubbles.querySelector(`#${one.id}`);
      continue;
    }
    const fromHere = document.importNode(one, true);
    if (after) after.after(fromHere);
    else bubbles.append(fromHere);
    after = fromHere;
    fresher = true;
  }
  const turn = $("#turn", fresh);
  if (turn && $("#turn")) Idiomorph.morph($("#turn"), turn.outerHTML, { morphStyle: "outerHTML" });
  $("#talk").dataset.unread = $("#talk", fresh).dataset.unread;
  document.dispatchEvent(new CustomEvent("thread-drawn", { detail: fresh }));
  if (was) toEnd();
  else if (fresher) $("#below").hidden = false;
  unseen ||= fresher;
}

/** Reads what came, once somebody looks at it. What was only marked unread, here or by somebody else, stays so. */
function see() {
  if (!unseen || !open() || !atEnd() || !document.hasFocus()) return;
  unseen = false;
  refreshInbox("read");
}

/** Asks for the page as it is now. Calls that come while one is under way become one more at its end. */
export async function refreshInbox(part = "fresh") {
  if (asking) {
    again = part === "read" ? part : again || part;
    return;
  }
  asking = true;
  const id = open();
  const { search } = location;
  const older = new URL(location.href).searchParams.has("before");
  try {
    const page = await fragment(`/inbox${id ? `/${id}` : ""}${told?.at === location.href ? told.search : search}`, part);
    const list = page && $("#fresh-list", page);
    // What was searched for since then is shown already: the older list would take its place.
    if (search !== location.search) again ||= part;
    else if (list) freshList(list);
    if (list && id && id === open() && !older && $("#fresh-thread #talk", page)) freshThread($("#fresh-thread", page));
  } finally {
    asking = false;
  }
  if (again) {
    const next = again;
    again = false;
    await refreshInbox(next);
  }
  see();
}

/** After a thread was opened: its badge is gone, since the server read it before it answered. */
function opened() {
  const talk = $("#talk");
  $("#content").classList.toggle("has-thread", location.pathname !== "/inbox");
  markCurrent();
  if (!talk) return;
  const row = $(`#talk-${talk.dataset.id}`);
  if (row && talk.dataset.unread === "0") {
    row.classList.remove("unread");
    row.dataset.unread = "0";
    row.querySelector(".badge")?.remove();
  }
  count("", talk.dataset.waiting);
  unseen = false;
  toEnd();
}

function tellOnce() {
  const here = new URL(location.href);
  if (!here.searchParams.has("did")) return;
  const { search } = here;
  here.searchParams.delete("did");
  history.replaceState(history.state, "", here);
  told = { at: location.href, search };
}

function startHistory() {
  let height = 0;
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target?.id === "earlier") height = $("#scroll").scrollHeight - $("#scroll").scrollTop;
  });
  document.body.addEventListener("htmx:afterSettle", (event) => {
    searchOn();
    if (event.detail.target?.id === "thread") opened();
    if (!height) return;
    // What was looked at stays where it was; a day that now begins further up has one separator.
    const seen = new Set();
    for (const one of $$(".day-line")) {
      if (seen.has(one.id)) one.remove();
      seen.add(one.id);
    }
    $("#scroll").scrollTop = $("#scroll").scrollHeight - height;
    height = 0;
  });
  addEventListener("popstate", () => location.reload());
}

const KEYS = {
  j: () => walk($$("#talks > .talk > a"), 1),
  k: () => walk($$("#talks > .talk > a"), -1),
  "/": () => $("#search").focus(),
  "?": () => $("#keys").showModal(),
  u: () => $("#turn")?.requestSubmit(),
  r: () => $("#text")?.focus(),
  ...DESK_KEYS,
  ...STATE_KEYS,
};

function startInboxKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("dialog[open]")) return;
    const field = event.target.matches("textarea, select, input:not([type=radio], .pick-one)");
    if (event.key === "Escape" && field) event.target.blur();
    const act = field ? undefined : meant(KEYS, event);
    if (!act) return;
    event.preventDefault();
    act();
  });
}

export function startInbox() {
  document.addEventListener("changed", () => refreshInbox());
  addEventListener("focus", see);
  document.addEventListener("scrollend", see, true);
  document.addEventListener("click", (event) => {
    if (event.target.closest("#news") && waiting) {
      replace(waiting);
      $("#threads").scrollTo({ top: 0 });
      rows()[0]?.querySelector("a").focus();
    }
    if (event.target.closest("#below")) {
      toEnd();
      see();
    }
  });
  tellOnce();
  startHistory();
  startInboxKeys();
  if (!new URL(location.href).searchParams.has("before")) toEnd();
}

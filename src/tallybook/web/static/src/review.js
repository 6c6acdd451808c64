import htmx from "htmx.org";
import { Idiomorph } from "idiomorph/dist/idiomorph.esm.js";
import { $, $$, call, fragment, icon, toast } from "./dom.js";
import { refreshList } from "./list.js";

const RENEW = 60_000;
let held = null; // the id of the review whose lock we hold
let renewal = null;
let touched = 0;
let queue = Promise.resolve();
let saving = 0;
let saves = 0;
let looking = false;

const TYPED = "#sheet textarea, #sheet .why .field";

const sheet = () => $("#sheet");
const words = () => sheet().dataset;
const address = (id = sheet().dataset.id) => `/api/wa-monitor-drops/${id}`;
const comment = () => $("#comment");

/** Whether the review holds something that is not saved, or somebody's hands are on a field of it. */
function busy() {
  const typing = document.activeElement?.matches?.("#sheet textarea, #sheet input:not([type=radio])");
  return saving > 0 || typing || unsaved() || ($("#feedback") && $("#feedback").value !== $("#feedback").defaultValue);
}
const unsaved = () => !!sheet() && (comment()?.value !== comment()?.defaultValue || $$(".step.asks").length > 0);

/** Says something in the review's own place, above what it is about. */
export function say(kind, text, drawing, action, act) {
  const box = $("#say");
  if (!box) return;
  const notice = document.createElement("p");
  notice.className = `notice ${kind}`;
  notice.setAttribute("role", kind === "wrong" ? "alert" : "status");
  const span = document.createElement("span");
  span.textContent = text;
  notice.append(icon(drawing), span);
  if (action) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = action;
    button.addEventListener("click", act);
    notice.append(button);
  }
  box.replaceChildren(notice);
}

function failed(answer, retry) {
  const { sayAway, sayKept, sayLocked, sayRetry } = words();
  const holder = answer.error?.details?.locked_by;
  const reason = holder ? sayLocked.replace("{name}", holder) : answer.away ? sayAway : answer.error?.message ?? sayAway;
  say("wrong", `${reason} ${sayKept}`, "wrong", sayRetry, retry);
}

/** Draws the review as it is now, unless `blocked` says, once it is here, that it would take something away. */
export async function redraw(blocked = busy) {
  const id = sheet()?.dataset.id;
  if (!id) return;
  const before = saves;
  const page = await fragment(`/wa-monitor/${id}${location.search}`, "review");
  const fresh = page && $("#sheet", page);
  if (!fresh || sheet()?.dataset.id !== id) return;
  if (saves !== before) return; // drawn before what was marked meanwhile: that one's save draws it
  const changed = fresh.dataset.version !== words().version || fresh.dataset.posts !== words().posts;
  if (blocked()) {
    // Our own changes, from this page or another of ours, are no news.
    if (changed && (fresh.dataset.posts !== words().posts || fresh.dataset.changedBy)) announce(fresh);
    return;
  }
  const callbacks = { beforeNodeMorphed: (old) => old.id !== "saved" };
  const typed = $$(TYPED).filter((field) => field.value !== field.defaultValue).map((field) => [field.name, field.value]);
  Idiomorph.morph(sheet(), fresh.outerHTML, { morphStyle: "outerHTML", ignoreActiveValue: true, callbacks });
  for (const [name, value] of typed) keep(name, value);
  const chosen = $("#assign option[selected]");
  if ($("#assign") && document.activeElement !== $("#assign")) $("#assign").value = chosen?.value ?? "";
  htmx.process(sheet());
}

/** What was typed and is not saved stays, whatever is drawn beneath it. */
function keep(name, value) {
  const field = $(`#sheet [name="${name}"]`);
  if (!field || field.value === value) return;
  field.value = value;
  field.closest(".step")?.classList.add("asks");
}

function announce(fresh) {
  const { sayAgain, sayChanged, sayShow } = words();
  const again = fresh.dataset.posts !== words().posts;
  const text = again ? sayAgain : sayChanged.replace("{who}", fresh.dataset.changedBy);
  say("news", text, again ? "again" : "pencil", sayShow, () => redraw(() => false));
}

/** Takes the lock with the first touch, and keeps it while somebody goes on touching. */
async function hold() {
  touched = Date.now();
  const id = sheet().dataset.id;
  if (held === id || !words().mayWrite) return;
  held = id;
  clearInterval(renewal);
  const answer = await call("POST", `${address(id)}/lock`);
  if (answer.ok) {
    renewal = setInterval(() => (Date.now() - touched < 2 * RENEW ? renew(id) : release()), RENEW);
    return;
  }
  held = null;
  if (sheet()?.dataset.id !== id) return;
  failed(answer, hold);
}
async function renew(id) {
  const answer = await call("POST", `${address(id)}/lock`);
  if (!answer.ok && answer.status === 409 && sheet()?.dataset.id === id) {
    held = null;
    failed(answer, hold);
  }
}
function release() {
  if (!held) return;
  call("POST", `${address(held)}/unlock`, undefined, { keepalive: true });
  clearInterval(renewal);
  held = null;
}

/** Saves one action; actions go one after the other, in the order in which they were made. */
function save(changes) {
  const { id, posts: shown } = words();
  const posts = Number(shown); // as they were when the hand moved: a later one is not seen
  touched = Date.now();
  saving += 1;
  saves += 1;
  $("#saved").textContent = words().saySaving;
  queue = queue.then(async () => {
    const answer = await call("PATCH", address(id), { ...changes, posts });
    saving -= 1;
    if (sheet()?.dataset.id !== id) return;
    if (!answer.ok) {
      $("#saved").textContent = words().sayUnsaved;
      failed(answer, () => save(changes));
      return;
    }
    held = id;
    $("#say").replaceChildren();
    if ("comment" in changes && comment().value.trim() === changes.comment.trim()) comment().defaultValue = comment().value;
    if (saving === 0) {
      await redraw(unsaved);
      if ($("#saved")) $("#saved").textContent = words().saySaved;
      refreshList();
    }
  });
}

/** Says that somebody looked at what was posted again: at the posts that this page shows, and at no later one. */
export function looked() {
  if (!$("#look button") || looking) return;
  const { id, posts, sayMeanwhile, sayLooked, sayShow } = words();
  looking = true;
  queue = queue.then(async () => {
    const answer = await call("POST", `${address(id)}/looked-at`, { posts: Number(posts) });
    looking = false;
    if (sheet()?.dataset.id !== id) return;
    if (answer.ok) {
      await redraw(() => busy() || unsaved());
      $("#look")?.remove();
      toast(sayLooked);
      refreshList();
    } else if (answer.error?.code === "POSTED_MEANWHILE") {
      await redraw();
      say("news", sayMeanwhile, "again", unsaved() && sayShow, () => redraw(() => false));
    } else failed(answer, looked);
  });
}

function mark(step, verdict) {
  const column = step.dataset.step;
  const reason = $(".why .field", step);
  if (verdict === "wrong" && !reason.value.trim()) {
    step.classList.add("asks");
    reason.focus();
    hold();
    return;
  }
  step.classList.remove("asks");
  if (verdict !== "wrong") reason.value = "";
  save({ ticks: { [column]: verdict === "right" }, reasons: { [column]: verdict === "wrong" ? reason.value : "" } });
}

/** The step of a key: right, or missing if it was right already; wrong with `wrong`. */
export function press(number, wrong) {
  const step = $$(".step")[number];
  if (!step || $(".steps[data-readonly]")) return;
  const wanted = wrong ? "wrong" : $(".mark.right input", step).checked ? "missing" : "right";
  const radio = $(`.mark.${wanted} input`, step);
  if (wrong && radio.checked) {
    step.classList.add("asks");
    $(".why .field", step).focus();
    return;
  }
  radio.checked = true;
  mark(step, wanted);
  step.scrollIntoView({ block: "nearest" });
}

function saveReason(field) {
  const step = field.closest(".step");
  if (!field.value.trim()) return;
  if (field.value === field.defaultValue) {
    step.classList.remove("asks");
    return;
  }
  mark(step, "wrong");
}

export function startReview() {
  document.addEventListener("changed", () => redraw());
  document.addEventListener("change", (event) => {
    const { target } = event;
    if (target.matches(".mark input")) mark(target.closest(".step"), target.value);
    if (target.matches(".why .field")) saveReason(target);
  });
  document.addEventListener("input", (event) => {
    if (!event.target.matches("#sheet textarea, .why .field")) return;
    hold();
    if (event.target === comment()) $("#saved").textContent = unsaved() ? words().sayUnsaved : "";
  });
  document.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-reason]");
    if (!chosen) return;
    const step = chosen.closest(".step");
    $(".why .field", step).value = chosen.dataset.reason;
    $(".mark.wrong input", step).focus();
    mark(step, "wrong");
  });
  document.addEventListener("focusin", (event) => {
    if (event.target.matches(".why .field:not([readonly])")) event.target.closest(".step").classList.add("asks");
  });
  document.addEventListener("focusout", (event) => {
    const step = event.target.closest?.(".step.asks");
    if (step && event.target.value && !step.contains(event.relatedTarget)) step.classList.remove("asks");
  });
  document.addEventListener("submit", (event) => {
    if (event.target.id !== "steps" && event.target.id !== "look") return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (event.target.id === "look") {
      looked();
      return;
    }
    const open = $(".step.asks .why .field");
    if (open && !open.value.trim()) open.focus();
    save({ comment: comment().value });
  }, true);
  document.addEventListener("keydown", (event) => {
    if (event.target === comment() && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      save({ comment: comment().value });
    }
    if (event.target.matches?.(".why .field") && event.key === "Enter") {
      event.preventDefault();
      event.target.blur();
    }
  });
  // Leaving a review gives its lock back; leaving one with unsaved text saves the text first.
  document.body.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.target?.id !== "review" || !sheet()) return;
    if (comment() && comment().value !== comment().defaultValue) save({ comment: comment().value });
    queue.then(release);
  });
  addEventListener("pagehide", release);
  addEventListener("beforeunload", (event) => unsaved() && event.preventDefault());
}

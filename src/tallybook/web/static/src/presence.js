// Who else looks at the open thread or writes an answer to it, for some seconds; and that somebody answered meanwhile.
import { $, $$, call } from "./dom.js";

const BEAT = 10000; // milliseconds between two sayings that somebody is here
const WRITING = 4000; // and that they write
const FORGET = 25000;
const PAUSE = 9000; // after which somebody who wrote only looks
const others = new Map(); // by thread and account
let said = { id: null, doing: "", at: 0 };
let wroteAt = -Infinity; // when a key was last pressed in an answer that is not sent yet
let answeredBefore = null; // the newest answer when the writing began

const thread = () => $("#talk")?.dataset.id;
const doing = () => (Date.now() - wroteAt < PAUSE ? "writes" : "looks");
const lastAnswer = () => $$(".said.ours").at(-1)?.id ?? "";

function say(what, id = thread()) {
  if (!id || !$("#presence")) return;
  const now = Date.now();
  const pause = what === "writes" ? WRITING : BEAT;
  if (said.id === id && said.doing === what && now - said.at < pause - 500) return;
  said = { id, doing: what, at: now };
  call("POST", `/inbox/${id}/here`, { doing: what }, { keepalive: true });
}

// The newest saying is what others are shown: whoever writes must not say meanwhile that they look.
const beat = () => doing() === "looks" && say("looks");

function wroteNothing() {
  answeredBefore = null;
  wroteAt = -Infinity;
  beat();
}

function draw() {
  const line = $("#also-here");
  if (!line) return;
  const now = Date.now();
  for (const [key, one] of others) if (now - one.at > FORGET) others.delete(key);
  const here = [...others.values()].filter((one) => String(one.thread) === thread());
  const words = here.map((one) => {
    const writes = one.doing === "writes" && now - one.at < PAUSE;
    return $("#presence").dataset[writes ? "writes" : "looks"].replace("{name}", one.name);
  }).join(" · ");
  if (line.textContent !== words) line.textContent = words;
  line.hidden = !words;
}

function heard({ detail }) {
  if (String(detail.who) === $("#presence")?.dataset.me) return;
  const key = `${detail.thread} ${detail.who}`;
  // Whoever comes is told that we are here too, without waiting for our next beat.
  if (detail.doing !== "left" && !others.has(key) && String(detail.thread) === thread() && !document.hidden) {
    said.at = 0;
    say(doing());
  }
  if (detail.doing === "left") others.delete(key);
  else others.set(key, { ...detail, at: Date.now() });
  draw();
}

function typed(event) {
  if (event.target.id !== "text") return;
  if (!event.target.value.trim()) {
    wroteNothing();
    $("#was-answered").hidden = true;
    return;
  }
  answeredBefore ??= lastAnswer();
  wroteAt = Date.now();
  say("writes");
}

function drawn() {
  if (answeredBefore === null || !$("#was-answered")) return;
  if (!$("#text")?.value.trim()) wroteNothing();
  $("#was-answered").hidden = answeredBefore === null || lastAnswer() === answeredBefore || $("#text").readOnly;
}

function opened() {
  if (said.id && said.id !== thread()) say("left", said.id);
  answeredBefore = null;
  wroteAt = -Infinity;
  if (!document.hidden) say("looks");
  draw();
}

export function startPresence() {
  document.addEventListener("here", heard);
  document.addEventListener("input", typed);
  document.addEventListener("thread-drawn", drawn);
  document.body.addEventListener("htmx:afterSettle", (event) => event.detail.target?.id === "thread" && opened());
  document.addEventListener("visibilitychange", () => say(document.hidden ? "left" : doing()));
  addEventListener("pagehide", () => say("left"));
  setInterval(() => {
    if (!document.hidden) beat();
    draw();
  }, BEAT / 4);
  opened();
}

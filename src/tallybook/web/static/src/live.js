import { $ } from "./dom.js";

const topic = () => document.body.querySelector("[data-topic]")?.dataset.topic ?? "monitor";

/**
 * One stream per page. It says only that something changed ("changed" event on the document); whoever shows it asks
 * for it. A hidden page gives its stream back and asks afresh when it is looked at again.
 */
export function startLive() {
  const light = $("#live");
  if (!light) return;
  let stream = null;
  const show = (state) => {
    light.dataset.state = state;
    light.lastElementChild.textContent = light.dataset[state];
  };
  const changed = () => document.dispatchEvent(new CustomEvent("changed"));
  const open = () => {
    if (stream || document.hidden) return;
    stream = new EventSource(`/live?topic=${topic()}`);
    // The first time too: something may have come between the drawing of the page and this stream's beginning.
    stream.addEventListener("open", changed);
    stream.addEventListener("live", () => show("live"));
    stream.addEventListener("away", () => show("lost"));
    stream.addEventListener("changed", changed);
    stream.addEventListener("here", (event) => document.dispatchEvent(new CustomEvent("here", { detail: JSON.parse(event.data) })));
    stream.addEventListener("error", () => {
      show("lost");
      // A refusal ends an EventSource for good; a lost connection it mends itself.
      if (stream?.readyState === EventSource.CLOSED) {
        stream = null;
        setTimeout(open, 5000);
      }
    });
  };
  const close = () => {
    stream?.close();
    stream = null;
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return close();
    open();
    changed();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
}

import { $$ } from "./dom.js";

/** Keeps relative times true while a page stays open. */
export function startTimes() {
  const words = document.body.dataset;
  const tick = () => {
    for (const element of $$("time[data-clock]")) {
      const age = (Date.now() - Date.parse(element.dateTime)) / 1000;
      let text = element.dataset.clock;
      if (age >= 0 && age < 60) text = words.now;
      else if (age >= 60 && age < 3600) text = words.minutes.replace("{n}", Math.floor(age / 60));
      if (element.textContent !== text) element.textContent = text;
    }
  };
  setInterval(tick, 20_000);
}

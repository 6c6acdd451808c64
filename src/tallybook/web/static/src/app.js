// What every page does. Each part is a file of its own; none of them needs `eval`, a style attribute or a foreign host.
import "htmx.org";
import { startCanned } from "./canned.js";
import { startAttach } from "./attach.js";
import { startComposer } from "./composer.js";
import { startDesk } from "./desk.js";
import { startDraft } from "./draft.js";
import { startFrame } from "./frame.js";
import { startInbox } from "./inbox.js";
import { startKeys } from "./keys.js";
import { startList } from "./list.js";
import { startLive } from "./live.js";
import { startBeside } from "./beside.js";
import { startPresence } from "./presence.js";
import { startSigns } from "./signs.js";
import { startReview } from "./review.js";
import { startTimes } from "./times.js";

document.documentElement.classList.add("js");
startFrame();
startTimes();
if (document.getElementById("list")) {
  startList();
  startReview();
  startBeside();
  startKeys();
}
if (document.getElementById("threads")) {
  startInbox();
  startComposer();
  startDraft();
  startAttach();
  startSigns();
  startPresence();
  startDesk();
  startCanned();
}
startLive();

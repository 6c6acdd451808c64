import htmx from "htmx.org";
import { $ } from "./dom.js";

/**
 * Searches for what was typed while an answer was drawn: the form that waited for the end of the typing was drawn anew
 * with it, and forgot. Called when something was drawn.
 */
export function searchOn() {
  const box = $("#search");
  const sought = new URL(location.href).searchParams.get(box?.name) ?? "";
  if (box && box === document.activeElement && box.value !== sought) htmx.trigger("#filters", "change");
}

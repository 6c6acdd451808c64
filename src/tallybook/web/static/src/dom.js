export const $ = (selector, within = document) => within.querySelector(selector);
export const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

/** Parses a page or a fragment without running anything in it. */
export const parsed = (html) => new DOMParser().parseFromString(html, "text/html").body;

/** A fragment of a page as the server draws it now; null when there is no answer. */
export async function fragment(url, part) {
  try {
    const answer = await fetch(url, { headers: { "HX-Request": "true", "X-Part": part, Accept: "text/html" } });
    const elsewhere = answer.headers.get("HX-Redirect");
    if (elsewhere) location.assign(elsewhere);
    return answer.ok ? parsed(await answer.text()) : null;
  } catch {
    return null;
  }
}

/** Calls the JSON API. Never throws: `ok` tells, `error.message` says why, `away` is true when there was no answer. */
export async function call(method, url, body, options = {}) {
  const token = $('meta[name="csrf-token"]').content;
  try {
    const answer = await fetch(url, {
      method,
      headers: { "Content-Type": "application/json", "X-CSRFToken": token, Accept: "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      ...options,
    });
    const said = await answer.json().catch(() => ({}));
    return { ok: answer.ok, status: answer.status, data: said.data, error: said.error, away: answer.status >= 502 };
  } catch {
    return { ok: false, status: 0, away: true };
  }
}

/** An SVG icon of the sprite, found by copying the address of one that the page already shows. */
export function icon(name) {
  const sprite = $("svg.icon use").getAttribute("href").split("#")[0];
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${sprite}#${name}`);
  svg.append(use);
  return svg;
}

export function toast(words) {
  $(".toast")?.remove();
  const element = document.createElement("p");
  element.className = "toast";
  element.setAttribute("role", "status");
  element.textContent = words;
  document.body.append(element);
  setTimeout(() => element.remove(), 2500);
}

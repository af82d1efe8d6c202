// Elements of a page, and the colours that its style sheet states.

import { gradient } from "./heat_map.js";

/** An element; attributes that are functions are listeners, and true and false set or leave out an attribute. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export const button = (words, click, attributes = {}) =>
  element("button", { type: "button", click, ...attributes }, words);

/** A labelled control. */
export const labelled = (words, control) => element("label", {}, words, control);

/** A list of choices: [[value, words], …]. */
export function choice(choices, change, attributes = {}) {
  const options = choices.map(([value, words]) => element("option", { value }, words));
  return element("select", { change, ...attributes }, ...options);
}

/** Colours of heat maps and lines in the current scheme, light or dark. */
export function appearance(colours) {
  const own = getComputedStyle(document.body);
  const colour = (name) => own.getPropertyValue(name).trim();
  const scheme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  return {
    shares: gradient(colours.shares),
    signed: gradient(colours.signed[scheme]),
    style: {
      ink: colour("--ink"),
      soft: colour("--soft"),
      line: colour("--line"),
      paper: colour("--paper"),
      accent: colour("--colour-2"),
      bar: colour("--colour-1"),
      own: (number) => colour(`--colour-${number + 1}`),
      letters: "13px ui-monospace, Menlo, Consolas, 'Liberation Mono', monospace",
      words: "12px system-ui, sans-serif",
    },
  };
}

/** CSS of a bar of colours. */
export const bar = (colours) =>
  `linear-gradient(to right, ${[0, 64, 128, 192, 255].map((step) => `rgb(${colours[step].join(" ")})`).join(", ")})`;

export function percent(share) {
  if (share > 0 && share < 0.001) return "< 0.1 %";
  return `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
}

/** Calls `change` when the scheme or the width changes. */
export function onChange(change) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", change);
  window.addEventListener("resize", change);
}

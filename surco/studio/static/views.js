// Views beside the studio's own, which extensions add: tabs, shown one at a time.

import { make } from "./page/dom.js";
import { text } from "./words.js";

const views = []; // { name, element, tab, onshow, onwords }

function show(name) {
  for (const view of views) {
    view.element.hidden = view.name !== name;
    view.tab.setAttribute("aria-selected", String(view.name === name));
    view.tab.tabIndex = view.name === name ? 0 : -1;
    if (view.name === name) view.onshow?.();
  }
}

/** The studio is the first view. */
export function start() {
  tab("studio", document.getElementById("studio"));
  document.getElementById("views").hidden = false;
  show("studio");
}

/** Show a view, where there is one of that name. */
export function go(name) {
  if (views.some((view) => view.name === name)) show(name);
}

function tab(name, element) {
  const nav = document.getElementById("views");
  const button = make("button", {
    type: "button", role: "tab", id: `tab-${name}`, "aria-controls": element.id, onclick: () => show(name),
    onkeydown: (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      const next = views[(views.findIndex((view) => view.name === name) + step + views.length) % views.length];
      show(next.name);
      next.tab.focus();
      event.preventDefault();
      event.stopPropagation();
    },
  });
  nav.append(button);
  element.setAttribute("role", "tabpanel");
  element.setAttribute("aria-labelledby", button.id);
  const view = { name, element, tab: button, onshow: null, onwords: null };
  views.push(view);
  return view;
}

/** Call `back` when the studio itself is shown again. */
export function whenBack(back) {
  views.find((view) => view.name === "studio").onshow = back;
}

/** Add a view; the answer's `element` is its place, `shown` and `words` take what is called then. */
export function view(name) {
  const element = make("section", { id: name, hidden: true });
  document.querySelector("main").append(element);
  const made = tab(name, element);
  show("studio");
  words();
  return {
    element,
    go,
    shown: (call) => (made.onshow = call),
    words: (call) => (made.onwords = call),
  };
}

/** Names of the tabs, in the language of the page. */
export function words() {
  for (const { name, tab: button, onwords } of views) {
    button.textContent = text(`view.${name}`);
    onwords?.();
  }
}

// The view of the map: hear a neighbour, take a part of it, go some of the way to it.

import { make, say } from "./page/dom.js";
import { Atlas } from "./atlas.js";
import { wavBuffer } from "./deck.js";
import * as server from "./server.js";
import { view } from "./views.js";
import { figure, style, text } from "./words.js";

const HELD = 96; // BPM at which the prior's music is held: eight beats in five seconds
const PARTS = ["timbre", "rhythm", "harmony"];

/** Add the view. `audition` lets something else be heard than the open song. */
export function addMap({ state, edits, audition, complain }) {
  const place = view("map");
  const canvas = make("canvas", { id: "atlas", tabindex: 0, role: "application" });
  const tip = make("div", { class: "tip", hidden: true });
  const legend = make("ul", { class: "legend" });
  const side = make("div", { class: "side" });
  const how = make("p", { class: "hint" });
  const atlas = new Atlas(canvas);
  const askPlace = server.placeLine();
  let wait = 0;
  let asked = null; // the map, once it is asked for
  let drag = null; // { source, from, start, to, moved } while something is drawn across the map
  place.element.append(how, make("div", { class: "plate" }, make("div", { class: "sheet" }, canvas, tip), make("div", {}, side, legend)));

  const name = (i) => [atlas.points[i].name, style(atlas.points[i].genre), atlas.points[i].tempo ? text("map.bpm", { n: figure(atlas.points[i].tempo, 0) }) : null].filter(Boolean).join(" · ");

  async function shown() {
    canvas.setAttribute("aria-label", text("map.title"));
    if (!asked) how.textContent = text("map.opening");
    asked ??= server.map();
    try {
      const { points, shipped } = await asked;
      atlas.points = points;
      how.textContent = text(shipped ? "map.how" : "map.how.sweep");
    } catch (error) {
      [asked, how.textContent] = [null, ""];
      complain(error);
      return;
    }
    canvas.setAttribute("aria-label", text("map.label", { n: atlas.points.length }));
    drawLegend();
    drawSide();
    changed();
  }

  function drawLegend() {
    const groups = atlas.groups();
    legend.replaceChildren(...groups.names.map((genre) => {
      const dot = make("canvas", { width: 28, height: 28, "aria-hidden": "true" });
      const pen = dot.getContext("2d");
      pen.scale(2, 2);
      atlas.sign(pen, groups, genre, [7, 7], 4.5);
      return make("li", {}, dot, style(genre));
    }));
  }

  // -- what can be done with the chosen point ------------------------------------------------------

  /** A point as a song of the page. */
  function borrow(i) {
    const { song } = atlas.points[i];
    if (!state.songs.some(({ id }) => id === song.id)) state.songs = [...state.songs, song];
    return state.songs.find(({ id }) => id === song.id);
  }

  async function hear(i, kind = "plain") {
    const { song, tempo } = atlas.points[i];
    const ask = { clip: 0, size: Math.min(state.size, song.size) };
    if (kind !== "plain") Object.assign(ask, { kind, size: 32 });
    else if (tempo) ask.amounts = { tempo: Math.min(2, Math.max(0.5, tempo / HELD)) };
    const buffer = await server.once(song.id, ask, wavBuffer);
    if (atlas.at === i) audition(buffer, name(i));
  }

  function open(i) {
    state.set({ song: borrow(i), voice: "plain" });
  }

  function take(part, i) {
    const { id } = borrow(i);
    edits.take(id);
    state.change(null, (edit) => {
      edit.others[part] = id;
      edit.amounts[part] = 1;
    });
  }

  function go(i, weight) {
    const { id } = borrow(i);
    state.change(`map-${id}`, (edit) => (edit.between = weight > 0 ? { song: id, weight: Number(weight.toFixed(3)) } : null));
  }

  function choose(i) {
    atlas.at = i;
    say(name(i));
    drawSide();
    atlas.redraw();
  }

  function drawSide() {
    const i = atlas.at;
    if (i < 0) return side.replaceChildren(make("p", { class: "hint" }, text("map.none")));
    const { song, original } = atlas.points[i];
    const { between } = state.edit;
    const own = state.song?.id === song.id;
    const still = !state.song || own; // nothing to take anything for
    const button = (what, action, more = {}) => make("button", { type: "button", "data-do": what, onclick: () => Promise.resolve(action()).catch(complain), ...more }, text(`map.${what}`));
    const way = make("input", { id: "map-way", "data-do": "way", type: "range", min: 0, max: 1, step: 0.01, value: between?.song === song.id ? between.weight : 0,
      disabled: still, oninput: () => go(i, Number(way.value)), onchange: () => state.release() });
    const focus = document.activeElement?.dataset?.do;
    side.replaceChildren(
      make("h2", {}, name(i)),
      make("div", { class: "row" },
        button("hear", () => hear(i), { class: "main" }),
        original ? button("original", () => hear(i, "original")) : null,
        button("open", () => open(i), { disabled: own })),
      make("div", { class: "row" }, ...PARTS.map((part) => button(`take.${part}`, () => take(part, i), { disabled: still }))),
      make("div", { class: "edit" }, make("label", { for: "map-way" }, text("map.way")), way, make("output", { for: "map-way" }, figure(Number(way.value), 2))),
      make("p", { class: "hint" }, state.song ? text("map.from", { name: state.song.name }) : text("map.nosong")));
    if (focus) side.querySelector(`[data-do="${CSS.escape(focus)}"]`)?.focus();
    return undefined;
  }

  // -- where the open song stands ------------------------------------------------------------------

  function changed() {
    if (place.element.hidden || !atlas.points.length) return;
    if (!drag) {
      const { between } = state.edit;
      const to = between ? atlas.points.findIndex(({ song }) => song.id === between.song) : -1;
      atlas.pull = to < 0 || !(atlas.pull ?? atlas.star) ? null : { from: atlas.pull?.from ?? atlas.star, to, weight: between.weight };
      const way = side.querySelector("#map-way");
      if (way && document.activeElement === way) side.querySelector("output").textContent = figure(Number(way.value), 2);
      else drawSide();
    }
    clearTimeout(wait);
    wait = setTimeout(stand, 200);
    atlas.redraw();
  }

  async function stand() {
    if (!state.song) {
      atlas.star = atlas.pull = null;
      atlas.redraw();
      return;
    }
    try {
      const found = await askPlace({ song: state.song.id, ask: state.ask("plain") });
      if (!found || drag) return;
      atlas.star = found.place;
      canvas.dataset.near = found.near.map((i) => atlas.points[i].id).join(" ");
    } catch (error) {
      complain(error);
    }
    atlas.redraw();
  }

  // -- hands ---------------------------------------------------------------------------------------

  const where = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (!atlas.points.length) return;
    const [x, y] = where(event);
    const star = atlas.star && Math.hypot(atlas.pixel(atlas.star)[0] - x, atlas.pixel(atlas.star)[1] - y) < 16;
    const { index, distance } = atlas.nearest(x, y);
    if (!star && distance > 24) return;
    canvas.setPointerCapture(event.pointerId);
    const from = star ? atlas.pull?.from ?? atlas.star : atlas.points[index].place;
    drag = { source: star && distance > 4 ? -1 : index, from, start: [x, y], to: -1, moved: false };
  });

  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = where(event);
    if (!drag) {
      hover(x, y);
      return;
    }
    if (!drag.moved) {
      if (Math.hypot(x - drag.start[0], y - drag.start[1]) < 6) return;
      drag.moved = true;
      tip.hidden = true;
      if (drag.source >= 0) open(drag.source);
      state.change(null, (edit) => (edit.between = null));
    }
    const found = atlas.ahead(atlas.pixel(drag.from), [x, y], drag.to);
    if (!found || found.index === drag.source) return;
    drag.to = atlas.at = found.index;
    atlas.star = drag.from;
    atlas.pull = { from: drag.from, to: found.index, weight: found.weight };
    go(found.index, found.weight);
    atlas.redraw();
  });

  function drop() {
    if (!drag) return;
    const { moved, source } = drag;
    drag = null;
    state.release();
    if (moved) {
      if (atlas.at >= 0) choose(atlas.at);
      changed();
    } else if (source >= 0) {
      choose(source);
      hear(source).catch(complain);
    }
  }
  canvas.addEventListener("pointerup", drop);
  canvas.addEventListener("pointercancel", drop);
  canvas.addEventListener("pointerleave", () => (tip.hidden = true));

  function hover(x, y) {
    const { index, distance } = atlas.nearest(x, y);
    tip.hidden = distance > 14;
    if (tip.hidden) return;
    tip.textContent = name(index);
    tip.style.left = `${Math.max(0, Math.min(x + 12, canvas.clientWidth - 200))}px`;
    tip.style.top = `${y + 12}px`;
  }

  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !atlas.points.length) return;
    const ahead = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (ahead) {
      const [x, y] = atlas.at < 0 ? atlas.pixel(atlas.star ?? [0.5, 0.5]) : atlas.spot(atlas.at);
      const before = (i, px, py) => {
        const along = (px - x) * ahead[0] + (py - y) * ahead[1];
        const aside = Math.abs((px - x) * ahead[1]) + Math.abs((py - y) * ahead[0]);
        return i !== atlas.at && along > 0.5 && aside <= along * 1.2;
      };
      const { index } = atlas.nearest(x, y, before);
      if (index >= 0) choose(index);
    } else if (event.key === "Enter" && atlas.at >= 0) hear(atlas.at).catch(complain);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  state.addEventListener("change", changed);
  document.getElementById("theme").addEventListener("click", () => {
    if (!atlas.points.length) return;
    drawLegend();
    atlas.redraw();
  });
  place.shown(shown);
  place.words(() => place.element.hidden || shown());
  return atlas;
}

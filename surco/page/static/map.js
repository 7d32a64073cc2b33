// The map of vectors: clips as points, generated songs as stars, edits as lines to play.

import { make, say } from "./dom.js";
import { recipe, songName } from "./songs.js";
import { DARK, LIGHT, shape, SHAPES } from "./shapes.js";
import { style, text } from "./texts.js";

const MOVE = 650; // ms that points take from one size to the next

export class Atlas {
  #at = 0; // the chosen point
  #from = null; // positions before a move
  #moved = 0; // time at which it began
  #path = null; // { path, step } while an edit plays
  #frame = 0;

  constructor(root, data, player) {
    Object.assign(this, { root, data: data.map, player });
    this.size = this.data.sizes.at(-1);
    this.layout = Object.keys(this.data.layouts)[0];
    this.colour = "genre";
    player.addEventListener("ended", () => this.#step());
    player.addEventListener("change", () => this.#redraw());
    new ResizeObserver(() => this.#redraw()).observe(root);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#redraw());
  }

  /** All that is drawn at a size: clips first, then songs, then the steps of the edits. */
  #points(size = this.size) {
    const key = String(size);
    const places = this.data.layouts[this.layout][key];
    const clips = this.data.clips.map((c, i) => ({ ...c, kind: "clip", place: places.clips[i], group: this.#group(c, i) }));
    const songs = (this.data.songs[key] ?? []).map((s, i) => ({ ...s, id: songName(this.data.songs[key], i), kind: "song", place: places.songs[i], group: style(s.genre) }));
    return [...clips, ...songs];
  }

  #group(clip, i) {
    if (this.colour === "genre") return style(clip.genre);
    const cluster = this.data.clusters[String(this.size)]?.[i] ?? -1;
    return cluster < 0 ? text("map.noise") : String(cluster + 1);
  }

  draw() {
    if (!this.data.sizes.length) return this.root.replaceChildren(make("p", { class: "hint" }, text("map.none")));
    const radio = (name, label, options, now, change) =>
      make(
        "fieldset",
        { class: "choice" },
        make("legend", {}, label),
        ...options.map(([value, words]) =>
          make("label", {}, make("input", { type: "radio", name, value, checked: value === now, onchange: () => change(value) }), make("span", {}, words)),
        ),
      );
    const sizes = this.data.sizes.map((s) => [s, String(s)]);
    const layouts = Object.keys(this.data.layouts).map((l) => [l, text(`map.${l}`)]);
    this.canvas = make("canvas", { id: "atlas", tabindex: 0, role: "application", "aria-label": text("map.label", { n: this.data.clips.length }), onclick: (e) => this.#click(e), onmousemove: (e) => this.#hover(e) });
    this.tip = make("div", { class: "tip", hidden: true });
    this.legend = make("ul", { class: "legend" });
    this.side = make("div", { class: "side" });
    this.root.replaceChildren(
      make("p", { class: "hint" }, text("map.how")),
      make(
        "div",
        { class: "row" },
        radio("size", text("map.size"), sizes, this.size, (s) => this.#move(() => (this.size = s))),
        radio("layout", text("map.layout"), layouts, this.layout, (l) => this.#move(() => (this.layout = l))),
        radio("colour", text("map.colour"), [["genre", text("map.genre")], ["cluster", text("map.cluster")]], this.colour, (c) => { this.colour = c; this.#redraw(); }),
      ),
      make("div", { class: "plate" }, make("div", { class: "sheet" }, this.canvas, this.tip), make("div", {}, this.legend, this.side)),
    );
    this.#drawSide();
    this.#redraw();
  }

  #drawSide() {
    const key = String(this.size);
    const songs = this.data.songs[key] ?? [];
    const paths = this.data.paths[key] ?? [];
    const button = (label, action) => make("li", {}, make("button", { type: "button", onclick: action }, label));
    const base = this.data.clips.length;
    this.side.replaceChildren(
      make("h3", {}, text("map.generated")),
      songs.length ? make("ul", {}, ...songs.map((s, i) => button(`★ ${songName(songs, i)}`, () => this.#choose(base + i)))) : make("p", {}, text("map.noSongs")),
      make("h3", {}, text("map.edits")),
      paths.length ? make("ul", {}, ...paths.map((p) => button(`▶ ${[recipe(p.recipe), p.title].filter(Boolean).join(": ")}`, () => this.#playPath(p)))) : make("p", {}, text("map.noedits")),
    );
  }

  #move(change) {
    this.#from = this.#points().map((p) => p.place);
    change();
    this.#path = null;
    this.#moved = matchMedia("(prefers-reduced-motion: reduce)").matches ? -MOVE : performance.now();
    this.#drawSide();
    this.#redraw();
  }

  /** Pixel position of a place in the unit square. */
  #pixel([x, y]) {
    const { clientWidth: w, clientHeight: h } = this.canvas;
    return [18 + x * (w - 36), 18 + (1 - y) * (h - 36)];
  }

  #redraw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#paint());
  }

  #paint() {
    if (!this.canvas?.clientWidth) return;
    const scale = devicePixelRatio || 1;
    const { clientWidth: w, clientHeight: h } = this.canvas;
    this.canvas.width = w * scale;
    this.canvas.height = h * scale;
    const pen = this.canvas.getContext("2d");
    pen.scale(scale, scale);
    const style = getComputedStyle(document.documentElement);
    const ink = style.getPropertyValue("--ink");
    const colours = style.getPropertyValue("--dark").trim() === "1" ? DARK : LIGHT;
    const points = this.#points();
    const groups = [...new Set(points.map((p) => p.group))].sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
    const t = Math.min(1, (performance.now() - this.#moved) / MOVE);
    const ease = t * t * (3 - 2 * t);
    this.#drawPaths(pen, ink);
    points.forEach((point, i) => {
      const old = this.#from?.[i] ?? point.place;
      const place = point.place.map((v, k) => old[k] + (v - old[k]) * ease);
      const [x, y] = this.#pixel(place);
      const g = groups.indexOf(point.group);
      pen.fillStyle = pen.strokeStyle = colours[g % colours.length];
      pen.globalAlpha = point.sound === null ? 0.5 : 0.95;
      if (point.kind === "song") {
        pen.lineWidth = 2;
        shape(pen, "star", x, y, 6);
        pen.strokeStyle = ink;
        pen.lineWidth = 1;
        pen.stroke();
      } else shape(pen, SHAPES[g % SHAPES.length], x, y, point.sound === null ? 3 : 4.5);
      pen.globalAlpha = 1;
      if (i === this.#at || (point.sound !== null && point.sound === this.player.id && this.player.playing)) {
        pen.strokeStyle = ink;
        pen.lineWidth = i === this.#at ? 2 : 1;
        pen.beginPath();
        pen.arc(x, y, 10, 0, 2 * Math.PI);
        pen.stroke();
      }
    });
    this.#drawLegend(groups, colours);
    if (t < 1) this.#redraw();
  }

  #drawPaths(pen, ink) {
    const places = this.data.layouts[this.layout][String(this.size)].paths ?? [];
    (this.data.paths[String(this.size)] ?? []).forEach((path, p) => {
      const spots = (places[p] ?? []).map((place) => this.#pixel(place));
      const active = this.#path?.path === path;
      pen.strokeStyle = pen.fillStyle = ink;
      pen.globalAlpha = active ? 0.9 : 0.35;
      pen.lineWidth = active ? 2 : 1;
      pen.beginPath();
      spots.forEach(([x, y], i) => pen[i ? "lineTo" : "moveTo"](x, y));
      pen.stroke();
      spots.forEach(([x, y], i) => shape(pen, "circle", x, y, active && this.#path.step === i ? 6 : 2.2));
      pen.globalAlpha = 1;
    });
  }

  #drawLegend(groups, colours) {
    const known = this.legend.dataset.of;
    const of = JSON.stringify([groups, colours[0]]);
    if (known === of) return;
    this.legend.dataset.of = of;
    this.legend.replaceChildren(
      ...groups.map((group, g) => {
        const swatch = make("canvas", { width: 28, height: 28, "aria-hidden": "true" });
        const pen = swatch.getContext("2d");
        pen.scale(2, 2);
        pen.fillStyle = pen.strokeStyle = colours[g % colours.length];
        shape(pen, SHAPES[g % SHAPES.length], 7, 7, 4.5);
        return make("li", {}, swatch, group);
      }),
    );
  }

  #nearest(x, y, accept = () => true) {
    let best = -1;
    let least = Infinity;
    this.#points().forEach((point, i) => {
      const [px, py] = this.#pixel(point.place);
      const distance = Math.hypot(px - x, py - y);
      if (distance < least && accept(point, px, py)) [best, least] = [i, distance];
    });
    return { index: best, distance: least };
  }

  #where(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  #click(event) {
    const [x, y] = this.#where(event);
    const paths = this.data.layouts[this.layout][String(this.size)].paths ?? [];
    for (const [p, places] of paths.entries()) {
      const step = places.findIndex((place) => Math.hypot(this.#pixel(place)[0] - x, this.#pixel(place)[1] - y) < 7);
      if (step >= 0 && this.#nearest(x, y).distance > 5) return this.#playPath(this.data.paths[String(this.size)][p], step);
    }
    const { index, distance } = this.#nearest(x, y);
    if (index >= 0 && distance < 30) this.#choose(index);
  }

  #hover(event) {
    const [x, y] = this.#where(event);
    const { index, distance } = this.#nearest(x, y);
    this.tip.hidden = !(index >= 0 && distance < 14);
    if (this.tip.hidden) return;
    this.tip.textContent = this.#title(this.#points()[index]);
    this.tip.style.left = `${Math.min(x + 12, this.canvas.clientWidth - 160)}px`;
    this.tip.style.top = `${y + 12}px`;
  }

  #title(point) {
    return [point.id, point.genre && style(point.genre)].filter(Boolean).join(" · ");
  }

  #choose(index) {
    const point = this.#points()[index];
    this.#at = index;
    this.#path = null;
    let heard = point;
    let note = "";
    if (point.sound === null) {
      const near = this.#nearest(...this.#pixel(point.place), (p) => p.sound !== null);
      if (near.index < 0) return this.#redraw();
      heard = this.#points()[near.index];
      note = `: ${text("map.silent", { name: heard.id })}`;
    }
    this.player.play(heard.sound, 0);
    this.now = [point.id + note, `${style(point.genre)} · ${this.size}`];
    say(this.now.join(", "));
    this.#redraw();
  }

  #playPath(path, step = 0) {
    this.#path = { path, step };
    this.now = [path.title, `${step + 1} / ${path.sounds.length}`];
    this.player.play(path.sounds[step], 0);
    this.#redraw();
  }

  #step() {
    if (!this.#path || this.root.hidden) return;
    const { path, step } = this.#path;
    if (step + 1 < path.sounds.length) this.#playPath(path, step + 1);
    else this.#path = null;
  }

  key(event) {
    if (!this.canvas || event.target.tagName === "INPUT") return false;
    const ahead = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (ahead) {
      const [x, y] = this.#pixel(this.#points()[this.#at].place);
      const before = (point, px, py) => {
        const along = (px - x) * ahead[0] + (py - y) * ahead[1];
        const aside = Math.abs((px - x) * ahead[1]) + Math.abs((py - y) * ahead[0]);
        return along > 0.5 && aside <= along * 1.2;
      };
      const { index } = this.#nearest(x, y, before);
      if (index >= 0) this.#at = index;
      say(this.#title(this.#points()[this.#at]));
      this.#redraw();
      return true;
    }
    if (event.key === "Enter" && event.target === this.canvas) this.#choose(this.#at);
    else if (event.key === " ") this.player.toggle();
    else return false;
    return true;
  }

  name() {
    return this.now ?? null;
  }

  /** Where a clip stands on the page, for whoever wants to point at it: [x, y] in pixels of the canvas. */
  spot(id) {
    const point = this.#points().find((p) => p.id === id);
    return point ? this.#pixel(point.place) : null;
  }
}

// The map as a picture: points of a data set, the open song as a star, a line to where it is drawn.

import { DARK, LIGHT, shape, SHAPES } from "./page/shapes.js";
import { style } from "./words.js";

const EDGE = 18; // px around the points

export class Atlas {
  points = [];
  at = -1; // the chosen point
  star = null; // [x, y] in the unit square, where the open song stands
  pull = null; // { from, to, weight } while a song is drawn towards a point, or has been
  canvas;
  #frame = 0;

  constructor(canvas) {
    this.canvas = canvas;
    new ResizeObserver(() => this.redraw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  /** Genres in their order, and their colours in the theme that is on. */
  groups() {
    const names = [...new Set(this.points.map((p) => p.genre))].sort((a, b) => style(a).localeCompare(style(b)));
    const dark = getComputedStyle(document.documentElement).getPropertyValue("--dark").trim() === "1";
    return { names, colours: dark ? DARK : LIGHT };
  }

  /** Draw the sign of a group. */
  sign(pen, { names, colours }, group, [x, y], r) {
    const i = names.indexOf(group);
    pen.fillStyle = pen.strokeStyle = colours[i % colours.length];
    shape(pen, SHAPES[i % SHAPES.length], x, y, r);
  }

  pixel([x, y]) {
    const { clientWidth: w, clientHeight: h } = this.canvas;
    return [EDGE + x * (w - 2 * EDGE), EDGE + (1 - y) * (h - 2 * EDGE)];
  }

  spot(i) {
    return this.pixel(this.points[i].place);
  }

  /** The point nearest to a pixel among those accepted: { index, distance }. */
  nearest(x, y, accept = () => true) {
    let best = { index: -1, distance: Infinity };
    for (let i = 0; i < this.points.length; i++) {
      const [px, py] = this.spot(i);
      const distance = Math.hypot(px - x, py - y);
      if (distance < best.distance && accept(i, px, py)) best = { index: i, distance };
    }
    return best;
  }

  /** The point that lies ahead, seen from one pixel through another, and how far the second is on the way. */
  ahead([x, y], [tx, ty], before = -1) {
    const reach = Math.hypot(tx - x, ty - y);
    const [dx, dy] = [(tx - x) / reach, (ty - y) / reach];
    const seen = (i) => {
      const [px, py] = this.spot(i);
      const along = (px - x) * dx + (py - y) * dy;
      const aside = Math.abs((px - x) * dy - (py - y) * dx);
      return { index: i, along, aside };
    };
    if (before >= 0) { // the same as long as it is not left behind or aside
      const { along, aside } = seen(before);
      if (along > 0 && aside < 0.35 * along && reach < 1.1 * along) return { index: before, weight: Math.min(1, reach / along) };
    }
    const found = this.points.map((_, i) => seen(i)).filter(({ along, aside }) => along > Math.max(12, reach) && aside < 0.3 * along);
    found.sort((a, b) => a.along + 4 * a.aside - (b.along + 4 * b.aside));
    return found.length ? { index: found[0].index, weight: reach / found[0].along } : null;
  }

  redraw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#paint());
  }

  #paint() {
    const { clientWidth: w, clientHeight: h } = this.canvas;
    if (!w || !this.points.length) return;
    const scale = devicePixelRatio || 1;
    [this.canvas.width, this.canvas.height] = [Math.round(w * scale), Math.round(h * scale)];
    const pen = this.canvas.getContext("2d");
    pen.scale(scale, scale);
    const groups = this.groups();
    this.points.forEach((point, i) => {
      pen.globalAlpha = point.tempo ? 0.55 : 1;
      this.sign(pen, groups, point.genre, this.spot(i), point.tempo ? 3 : 5);
    });
    pen.globalAlpha = 1;
    const colours = getComputedStyle(document.documentElement);
    pen.strokeStyle = pen.fillStyle = colours.getPropertyValue("--ink");
    pen.lineWidth = 2;
    if (this.at >= 0) {
      pen.beginPath();
      pen.arc(...this.spot(this.at), 10, 0, 2 * Math.PI);
      pen.stroke();
    }
    if (this.pull) {
      const [[x, y], [tx, ty]] = [this.pixel(this.pull.from), this.spot(this.pull.to)];
      pen.beginPath();
      pen.moveTo(x, y);
      pen.lineTo(tx, ty);
      pen.stroke();
      shape(pen, "circle", x + (tx - x) * this.pull.weight, y + (ty - y) * this.pull.weight, 6);
    }
    if (this.star) {
      shape(pen, "star", ...this.pixel(this.star), 9);
      pen.strokeStyle = colours.getPropertyValue("--paper");
      pen.lineWidth = 1.5;
      pen.stroke();
    }
  }
}

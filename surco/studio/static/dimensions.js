// The vector as bars, coloured by the part that each dimension belongs to, to be drawn with the mouse.

import { make, say } from "./page/dom.js";
import { figure, text } from "./words.js";

export const PARTS = { l: "#DDCC77", t: "#44AA99", r: "#CC6677", h: "#88CCEE", d: "#999999" };

export class Dimensions {
  #canvas;
  #legend;
  #state;
  #vector = null; // { values, low, high, of, parts }
  #chosen = 0; // the dimension that the keys change
  #last = null; // where the pen was

  constructor(canvas, legend, state) {
    this.#canvas = canvas;
    this.#legend = legend;
    this.#state = state;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.#last = null;
      this.#pen(event);
    });
    canvas.addEventListener("pointermove", (event) => event.buttons && this.#pen(event));
    canvas.addEventListener("pointerup", () => state.release());
    canvas.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.paint()).observe(canvas);
  }

  show(vector) {
    this.#vector = vector;
    this.#chosen = Math.min(this.#chosen, vector.values.length - 1);
    this.words();
    this.paint();
  }

  /** The legend, in the language of the page. */
  words() {
    if (!this.#vector) return;
    const letters = Object.entries(this.#vector.parts);
    this.#legend.replaceChildren(...letters.map(([name, count]) => {
      const dot = make("canvas", { width: 14, height: 14, "aria-hidden": "true" });
      const pen = dot.getContext("2d");
      pen.fillStyle = PARTS[name[0]];
      pen.fillRect(1, 1, 12, 12);
      return make("li", {}, dot, `${text(`part.${name[0]}`)} ${count}`);
    }));
    this.#tell();
  }

  // The first dimensions matter most and get most room: the place of dimension i goes with log(i + 4).
  #place(i) {
    const n = this.#vector.values.length;
    return (Math.log(i + 4) - Math.log(4)) / (Math.log(n + 4) - Math.log(4));
  }

  #index(share) {
    const n = this.#vector.values.length;
    const i = Math.exp(Math.log(4) + share * (Math.log(n + 4) - Math.log(4))) - 4;
    return Math.max(0, Math.min(n - 1, Math.floor(i)));
  }

  #level(i, value) {
    const { low, high } = this.#vector;
    return (value - low[i]) / Math.max(1e-6, high[i] - low[i]);
  }

  #pen(event) {
    if (!this.#vector) return;
    const box = this.#canvas.getBoundingClientRect();
    const at = (event.clientX - box.left) / box.width;
    const level = Math.max(0, Math.min(1, 1 - (event.clientY - box.top) / box.height));
    const from = this.#last ?? { at, level };
    this.#last = { at, level };
    const [first, final] = [this.#index(Math.min(at, from.at)), this.#index(Math.max(at, from.at))];
    const { low, high, values } = this.#vector;
    const drawn = {};
    for (let i = first; i <= final; i++) {
      const share = at === from.at ? 1 : (this.#place(i) - from.at) / (at - from.at);
      const there = from.level + Math.max(0, Math.min(1, share)) * (level - from.level);
      drawn[i] = Number((low[i] + there * (high[i] - low[i])).toFixed(4));
      values[i] = drawn[i];
    }
    this.#chosen = this.#index(at);
    this.#state.change("draw", (edit) => Object.assign(edit.drawn, drawn));
    this.paint();
    this.#tell();
  }

  #key(event) {
    if (!this.#vector || event.ctrlKey || event.metaKey || event.altKey) return;
    const { values, low, high } = this.#vector;
    const i = this.#chosen;
    const step = { ArrowLeft: -1, ArrowRight: 1, PageDown: -16, PageUp: 16 }[event.key];
    const turn = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (step) {
      this.#chosen = Math.max(0, Math.min(values.length - 1, i + step));
    } else if (turn) {
      const moved = values[i] + (turn * (high[i] - low[i])) / 20;
      values[i] = Number(Math.max(low[i], Math.min(high[i], moved)).toFixed(4));
      this.#state.change(`draw-${i}`, (edit) => Object.assign(edit.drawn, { [i]: values[i] }));
    } else return;
    event.preventDefault();
    event.stopPropagation();
    this.#tell();
    say(this.#canvas.getAttribute("aria-valuetext"));
    this.paint();
  }

  #tell() {
    const { values, of } = this.#vector;
    const i = this.#chosen;
    this.#canvas.setAttribute("aria-valuenow", Math.round(100 * this.#level(i, values[i])));
    this.#canvas.setAttribute("aria-valuetext", text("dimension.at", {
      i: i + 1, n: values.length, part: text(`part.${of[i]}`), value: figure(values[i], 2),
    }));
  }

  paint() {
    const canvas = this.#canvas;
    const { clientWidth: w, clientHeight: h } = canvas;
    if (!w || !this.#vector) return;
    const scale = devicePixelRatio || 1;
    canvas.width = Math.round(w * scale);
    canvas.height = Math.round(h * scale);
    const pen = canvas.getContext("2d");
    const style = getComputedStyle(document.documentElement);
    const { values, of, low, high } = this.#vector;
    const ink = style.getPropertyValue("--ink");
    pen.fillStyle = style.getPropertyValue("--raised");
    pen.fillRect(0, 0, canvas.width, canvas.height);
    const y = (level) => (1 - Math.max(0.01, Math.min(0.99, level))) * canvas.height;
    for (let i = 0; i < values.length; i++) {
      const x = this.#place(i) * canvas.width;
      const wide = Math.max(1, (this.#place(i + 1) - this.#place(i)) * canvas.width - (i < 60 ? scale : 0));
      const rest = i === 0 ? 0 : this.#level(i, Math.max(low[i], Math.min(high[i], 0)));
      const [top, foot] = [y(this.#level(i, values[i])), y(rest)];
      pen.fillStyle = PARTS[of[i]];
      pen.fillRect(x, Math.min(top, foot), wide, Math.max(scale, Math.abs(top - foot)));
      if (i === this.#chosen && document.activeElement === canvas) {
        pen.fillStyle = ink;
        pen.fillRect(x, canvas.height - 4 * scale, Math.max(3 * scale, wide), 4 * scale);
      }
    }
    pen.fillStyle = style.getPropertyValue("--soft");
    pen.font = `${11 * scale}px system-ui, sans-serif`;
    for (const mark of [1, 8, 32, 128, 512, 2048]) {
      if (mark > values.length) continue;
      const x = this.#place(mark) * canvas.width;
      pen.fillRect(x, 0, scale, 5 * scale);
      pen.textAlign = mark === values.length ? "right" : "left";
      pen.fillText(String(mark), x + (mark === values.length ? -3 : 3) * scale, 11 * scale);
    }
  }
}

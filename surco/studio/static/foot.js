// The foot of the page: what is on, where it stands, its spectrogram.

import { spectrogram } from "./page/spectrogram.js";
import { figure, text } from "./words.js";

const at = (id) => document.getElementById(id);

export class Foot {
  #deck;
  #state;
  #picture = null; // of the buffer that is on
  #lowered = 0; // dB
  #name = null; // of what is heard apart from what the state asks for

  constructor(deck, state) {
    this.#deck = deck;
    this.#state = state;
    at("toggle").addEventListener("click", () => deck.toggle());
    at("spectrogram").addEventListener("click", (event) => {
      const box = event.target.getBoundingClientRect();
      deck.seek((event.clientX - box.left) / box.width);
      this.paint();
    });
    deck.addEventListener("change", () => this.told());
    new ResizeObserver(() => this.paint()).observe(at("spectrogram"));
    const tick = () => {
      if (deck.playing) this.paint();
      requestAnimationFrame(tick);
    };
    tick();
  }

  /** What is heard has a name of its own. */
  get apart() {
    return this.#name !== null;
  }

  /** Put a sound on, where the last one stands; `name` tells what it is where the state does not. */
  put(buffer, { lowered = 0, name = null }) {
    this.#deck.put(buffer);
    [this.#lowered, this.#name, this.#picture] = [lowered, name, null];
    setTimeout(() => {
      if (this.#deck.buffer !== buffer || this.#picture) return;
      this.#picture = spectrogram(buffer);
      this.paint();
    }, 60);
    this.told();
  }

  told() {
    const { voice, edited, song } = this.#state;
    at("now").textContent = this.#name ?? (song ? text(`voice.${voice === "plain" && edited ? "edited" : voice}`) : text("point"));
    at("toggle").textContent = this.#deck.playing ? "❚❚" : "▶";
    at("toggle").setAttribute("aria-label", text(this.#deck.playing ? "pause" : "play"));
    this.paint();
  }

  paint() {
    const canvas = at("spectrogram");
    const deck = this.#deck;
    const { clientWidth: w, clientHeight: h } = canvas;
    if (!w) return; // the foot is hidden until there is something to hear
    const scale = devicePixelRatio || 1;
    const [width, height] = [Math.round(w * scale), Math.round(h * scale)];
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#000004";
    pen.fillRect(0, 0, width, height);
    if (this.#picture) pen.drawImage(this.#picture, 0, 0, width, height);
    pen.fillStyle = "#7fe3ff";
    if (deck.duration) pen.fillRect(deck.share * width - scale, 0, 2 * scale, height);
    const seconds = deck.share * deck.duration;
    canvas.setAttribute("aria-valuemax", deck.duration.toFixed(1));
    canvas.setAttribute("aria-valuenow", seconds.toFixed(1));
    canvas.setAttribute("aria-valuetext", `${figure(seconds, 1)} s`);
    const sized = !this.apart && !["original", "ceiling"].includes(this.#state.voice);
    const said = [
      sized ? text("sized", { n: figure(this.#state.size, 0) }) : null,
      this.#lowered ? text("lowered", { n: figure(this.#lowered, 1) }) : null,
      deck.duration ? `${figure(seconds, 1)} / ${figure(deck.duration, 1)} s` : null,
    ];
    at("where").textContent = said.filter(Boolean).join(" · ");
  }
}

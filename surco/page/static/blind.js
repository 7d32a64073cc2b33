// A blind test in the form of MUSHRA (ITU-R BS.1534): hidden reference, 3.5 kHz anchor, shuffled order.

import { columnName } from "./grid.js";
import { make, random, say, shuffled } from "./dom.js";
import { sound } from "./sounds.js";
import { download, lasting, load, save } from "./store.js";
import { figure, text } from "./texts.js";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** A fresh test: which clips, and under which letters their conditions hide. */
export function plan(data, listener, count, seed) {
  const next = random(seed);
  const usable = data.clips.filter((c) => c.sounds.original !== undefined && Object.keys(c.sounds).length > 1);
  const trials = shuffled(usable, next)
    .slice(0, count)
    .map((clip) => ({
      clip: clip.id,
      genre: clip.genre,
      order: shuffled(["reference", "anchor", ...data.columns.filter((c) => c !== "original" && c in clip.sounds)], next),
      marks: {},
      heard: [],
    }));
  return { kind: "surco-listening-test", version: 1, sweep: data.id, listener, seed, at: 0, started: now(), trials };
}

const now = () => new Date().toISOString();

export class Blind {
  #test = null;
  #letter = 0;

  constructor(root, data, player) {
    Object.assign(this, { root, data, player });
    player.addEventListener("change", () => this.#mark());
  }

  get #key() {
    return `test:${this.data.id}`;
  }

  get #trial() {
    return this.#test?.trials[this.#test.at];
  }

  draw() {
    if (this.#test && this.#trial) this.#drawTrial();
    else if (this.#test) this.#drawEnd();
    else this.#drawStart();
  }

  #drawStart() {
    const usable = this.data.clips.filter((c) => c.sounds.original !== undefined && Object.keys(c.sounds).length > 1);
    if (!usable.length) return this.root.replaceChildren(make("p", { class: "hint" }, text("blind.few")));
    const saved = load(this.#key);
    const count = Math.min(10, usable.length);
    const name = make("input", { id: "listener", autocomplete: "nickname", required: true, maxlength: 40 });
    const number = make("input", { id: "count", type: "number", min: 1, max: usable.length, value: count });
    const begin = () => {
      if (!name.value.trim()) return name.focus();
      const seed = crypto.getRandomValues(new Uint32Array(1))[0];
      const asked = Math.max(1, Math.min(usable.length, Number(number.value) || count));
      this.#test = plan(this.data, name.value.trim(), asked, seed);
      this.#keep();
      this.draw();
    };
    const resume = saved?.trials?.[saved.at]
      ? make("button", { type: "button", id: "resume", class: "main", onclick: () => this.#resume(saved) }, text("blind.resume", { n: saved.at + 1 }))
      : null;
    this.root.replaceChildren(
      make("p", { class: "hint" }, text("blind.how", { n: count })),
      lasting ? "" : make("p", { class: "hint" }, text("blind.memory")),
      make(
        "div", // a sandboxed frame lets no form be submitted
        { class: "start", onkeydown: (event) => event.key === "Enter" && event.target.tagName === "INPUT" && begin() },
        make("label", { for: "listener" }, text("blind.name")), name,
        make("label", { for: "count" }, text("blind.count")), number,
        make("div", { class: "row" }, resume, make("button", { type: "button", id: "begin", class: resume ? "" : "main", onclick: begin }, text(resume ? "blind.again" : "blind.start"))),
      ),
    );
  }

  #resume(saved) {
    this.#test = saved;
    this.draw();
  }

  #sound(condition) {
    const { sounds } = this.data.clips.find((c) => c.id === this.#trial.clip);
    if (condition === "reference") return sounds.original;
    return condition === "anchor" ? `anchor:${sounds.original}` : sounds[condition];
  }

  #drawTrial() {
    const trial = this.#trial;
    const last = this.#test.at === this.#test.trials.length - 1;
    this.#letter = -1;
    for (const condition of trial.order) sound(this.#sound(condition)); // decoded before the first switch
    const rows = trial.order.map((condition, i) => this.#drawSound(trial, condition, i));
    this.root.replaceChildren(
      make("h2", {}, text("blind.trial", { i: this.#test.at + 1, n: this.#test.trials.length })),
      make("progress", { max: this.#test.trials.length, value: this.#test.at, "aria-label": text("tab.blind") }),
      make("p", {}, make("button", { type: "button", id: "reference", "aria-pressed": "false", onclick: () => this.#hear(-1) }, make("kbd", {}, "R"), ` ${text("blind.reference")}`)),
      make("ol", { class: "scale", "aria-hidden": "true" }, ...text("blind.scale").split("|").reverse().map((s) => make("li", {}, s))),
      make("div", { class: "sounds" }, ...rows),
      make("p", { id: "complaint", class: "complaint", role: "alert" }),
      make("button", { type: "button", id: "next", class: "main", onclick: () => this.#next() }, text(last ? "blind.finish" : "blind.next")),
    );
  }

  #drawSound(trial, condition, i) {
    const letter = LETTERS[i];
    const mark = trial.marks[condition];
    const value = make("output", {}, mark === undefined ? "–" : String(mark));
    const slider = make("input", {
      type: "range", min: 0, max: 100, step: 1, value: mark ?? 50,
      class: mark === undefined ? "unset" : "",
      "aria-label": text("blind.mark", { letter }),
      oninput: () => {
        trial.marks[condition] = Number(slider.value);
        value.textContent = slider.value;
        slider.classList.remove("unset");
        this.#keep();
      },
    });
    const button = make(
      "button",
      { type: "button", "data-letter": i, "aria-pressed": "false", onclick: () => this.#hear(i) },
      make("kbd", {}, String((i + 1) % 10)),
      ` ${text("blind.sound", { letter })}`,
    );
    return make("div", { class: "sound" }, button, slider, value);
  }

  /** Play the sound behind a letter (-1: the reference) at the instant where the last one stands. */
  #hear(i) {
    const trial = this.#trial;
    const condition = i < 0 ? "reference" : trial.order[i];
    this.#letter = i;
    if (i >= 0 && !trial.heard.includes(condition)) trial.heard.push(condition);
    this.#keep();
    this.player.play(this.#sound(condition));
  }

  #next() {
    const trial = this.#trial;
    const missing = trial.order.filter((c) => !trial.heard.includes(c) || trial.marks[c] === undefined);
    const complaint = this.root.querySelector("#complaint");
    if (missing.length) {
      const letters = missing.map((c) => LETTERS[trial.order.indexOf(c)]).sort().join(", ");
      complaint.textContent = text("blind.unheard", { letters });
      return;
    }
    if (Math.max(...Object.values(trial.marks)) < 100) {
      complaint.textContent = text("blind.needs100");
      return;
    }
    this.player.pause();
    this.#test.at += 1;
    if (!this.#trial) this.#test.finished = now();
    this.#keep();
    this.draw();
    window.scrollTo(0, 0);
  }

  /** The results as `surco listen --score` reads them. */
  results() {
    const { at, ...test } = this.#test;
    return { ...test, trials: test.trials.slice(0, at).map(({ heard, ...trial }) => trial) };
  }

  #drawEnd() {
    const results = this.results();
    const marks = {};
    for (const trial of results.trials) {
      for (const [condition, mark] of Object.entries(trial.marks)) (marks[condition] ??= []).push(mark);
    }
    const mean = (list) => list.reduce((a, b) => a + b, 0) / list.length;
    const rows = Object.entries(marks)
      .sort((a, b) => mean(b[1]) - mean(a[1]))
      .map(([c, list]) => make("tr", {}, make("th", { scope: "row" }, columnName(c)), make("td", {}, figure(mean(list), 1))));
    const json = JSON.stringify(results, null, 1);
    const name = `surco-${this.data.id.slice(0, 12)}-${results.listener.replace(/[^\p{L}\p{N}]+/gu, "-")}.json`;
    const area = make("textarea", { id: "results", readonly: true, rows: 8, "aria-label": text("blind.done") });
    area.value = json;
    this.root.replaceChildren(
      make("p", {}, text("blind.done")),
      make(
        "p",
        { class: "row" },
        make("button", { type: "button", id: "save", class: "main", onclick: () => download(name, results) }, text("blind.save")),
        make("button", { type: "button", onclick: () => this.#copy(area) }, text("blind.copy")),
        make("button", { type: "button", onclick: () => { this.#test = null; save(this.#key, null); this.draw(); } }, text("blind.again")),
      ),
      make("table", { class: "plain" }, make("caption", {}, text("blind.measured")), make("thead", {}, make("tr", {}, make("td"), make("th", { scope: "col" }, text("blind.own")))), make("tbody", {}, ...rows)),
      area,
    );
  }

  #copy(area) {
    area.select();
    document.execCommand("copy");
    say(text("blind.copied"));
  }

  key(event) {
    if (!this.#trial) return false;
    if (event.key === "Enter" && event.target.tagName !== "BUTTON") this.#next();
    else if (event.key.toLowerCase() === "r") this.#hear(-1);
    else if (/^[0-9]$/.test(event.key)) {
      const i = (Number(event.key) + 9) % 10;
      if (i < this.#trial.order.length) {
        this.#hear(i);
        this.root.querySelectorAll(".sound input")[i].focus({ preventScroll: true });
      }
    } else if (event.key === "ArrowLeft" || event.key === "ArrowRight") this.#nudge(event.key === "ArrowLeft" ? -5 : 5);
    else if (event.key === " ") this.player.toggle();
    else return false;
    return true;
  }

  #nudge(step) {
    const slider = this.root.querySelectorAll(".sound input")[this.#letter];
    if (!slider) return;
    slider.value = Number(slider.value) + step;
    slider.dispatchEvent(new Event("input"));
  }

  /** While the test runs the player must not tell what sounds. */
  name() {
    if (!this.#trial) return null;
    return [this.#letter < 0 ? text("blind.reference") : text("blind.sound", { letter: LETTERS[this.#letter] }), ""];
  }

  get secret() {
    return Boolean(this.#trial);
  }

  #keep() {
    save(this.#key, this.#test);
  }

  #mark() {
    if (!this.#trial || this.root.hidden) return;
    for (const button of this.root.querySelectorAll("[aria-pressed]")) {
      const i = button.id === "reference" ? -1 : Number(button.dataset.letter);
      button.setAttribute("aria-pressed", String(this.player.playing && i === this.#letter));
    }
  }
}

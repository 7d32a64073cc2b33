// The generated songs and the edits as lists, one player a line: by style, at every size. Edits that a study
// judged stand below, each beside the song as it was and what the baseline makes of it.

import { make } from "./dom.js";
import { editName, figure, musicalKey, style, text } from "./texts.js";

/** A song's name for people: its style, and its number among those of that style at that size. */
export function songName(songs, i) {
  const same = songs.filter((s) => s.genre === songs[i].genre);
  const name = style(songs[i].genre);
  const word = name.charAt(0).toUpperCase() + name.slice(1);
  return same.length > 1 ? `${word} ${same.indexOf(songs[i]) + 1}` : word;
}

/** How a song or an edit was made, in words. */
export function recipe(name) {
  return name ? text(`recipe.${name}`, {}, name.replaceAll("_", " ")) : "";
}

/** What is said of a song: how it was made and of what, its key and tempo, and how long it lasts. */
function about(song) {
  const made = song.sources?.length ? `${recipe(song.recipe)}: ${song.sources.join(", ")}` : recipe(song.recipe);
  return [made, song.key && musicalKey(song.key), song.tempo && `${figure(song.tempo, 0)} BPM`, song.seconds && `${figure(song.seconds, 0)} s`];
}

export class Songs {
  #lines = []; // { sounds, button, bar, name, detail, together }: one of several versions goes on at the same instant
  #line = null; // the line that plays
  #step = 0;

  constructor(root, data, player) {
    Object.assign(this, { root, data: data.map, player });
    this.compared = data.compared ?? {};
    const sizes = new Set([this.data.songs, this.data.paths, this.compared].flatMap(Object.keys).map(Number));
    this.sizes = [...sizes].sort((a, b) => b - a);
    player.addEventListener("ended", () => this.#next());
    player.addEventListener("change", () => this.#mark());
  }

  draw() {
    this.#lines = [];
    const parts = this.sizes.flatMap((size) => this.#size(size));
    const hint = make("p", { class: "hint" }, text(parts.length ? "songs.how" : "songs.none"));
    this.root.replaceChildren(hint, ...parts);
    this.#mark();
  }

  #size(size) {
    const songs = this.data.songs[size] ?? [];
    const paths = this.data.paths[size] ?? [];
    const compared = this.compared[size] ?? [];
    if (!songs.length && !paths.length && !compared.length) return [];
    const lines = [
      ...songs.map((s, i) => this.#draw([s.sound], songName(songs, i), about(s), size, s.picture)),
      ...paths.map((p) => this.#draw(p.sounds, recipe(p.recipe) || p.title, [p.recipe ? p.title : "", text("songs.steps", { n: p.sounds.length })], size)),
    ];
    return [
      make("h2", {}, text("numbers", { n: size })),
      make("ul", { class: "songs" }, ...lines),
      ...(compared.length ? [make("p", { class: "hint" }, text("compared.how"))] : []),
      make("ul", { class: "songs compared" }, ...compared.map((one) => this.#compare(one, size))),
    ];
  }

  /** An edit that was judged: a button a version. */
  #compare(one, size) {
    const name = editName(one.edit);
    const amount = text(`unit.${one.unit}`, { n: figure(one.amount, Number.isInteger(one.amount) ? 0 : 2) }, one.unit);
    const detail = `${amount} · ${text("compared.answer", { answer: text(`answer.${one.answer}`) })}`;
    const buttons = Object.entries(one.sounds).map(([version, id]) => {
      const word = version === "baseline" ? text(`baseline.${one.rival}`, {}, one.rival) : text(`compared.${version}`);
      const button = make("button", { type: "button", "aria-pressed": "false", "aria-label": `${name}, ${word}, ${text("numbers", { n: size })}` }, word);
      const line = { sounds: [id], button, bar: make("progress", {}), name: `${name}: ${word}`, detail: `${detail} · ${text("numbers", { n: size })}`, together: true };
      button.addEventListener("click", () => this.#choose(line));
      this.#lines.push(line);
      return button;
    });
    return make("li", {}, make("span", { class: "words" }, make("strong", {}, name), make("small", {}, detail)), make("span", { class: "versions" }, ...buttons));
  }

  #draw(sounds, name, details, size, picture) {
    const detail = details.filter(Boolean).join(" · ");
    const bar = make("progress", { max: 1, value: 0, "aria-hidden": "true" });
    const button = make("button", { type: "button", class: "round", "aria-pressed": "false", "aria-label": `${name}, ${detail}, ${text("numbers", { n: size })}` }, make("span", { class: "glyph", "aria-hidden": "true" }));
    const line = { sounds, button, bar, name, detail: `${detail} · ${text("numbers", { n: size })}` };
    button.addEventListener("click", () => this.#choose(line));
    this.#lines.push(line);
    const cover = picture ? make("img", { class: "cover", src: picture, alt: text("songs.picture", { name }), onclick: () => this.#choose(line) }) : null;
    return make("li", {}, cover, button, make("span", { class: "words" }, make("strong", {}, name), make("small", {}, detail)), bar);
  }

  #choose(line) {
    if (this.#playing(line)) return this.player.toggle();
    this.#line = line;
    this.#step = 0;
    this.player.play(line.sounds[0], line.together ? null : 0);
  }

  #playing(line) {
    return line.sounds.includes(this.player.id) && (this.#line === line || (line.sounds.length === 1 && !line.together));
  }

  /** The next step of an edit. */
  #next() {
    if (this.root.hidden || !this.#line || this.#step + 1 >= this.#line.sounds.length) return;
    this.player.play(this.#line.sounds[++this.#step], 0);
  }

  #mark() {
    for (const line of this.#lines) {
      const on = this.#playing(line);
      line.button.setAttribute("aria-pressed", String(on && this.player.playing));
      line.bar.classList.toggle("idle", !on);
    }
    this.tick();
  }

  /** Move the bar of what plays. */
  tick() {
    for (const line of this.#lines) {
      const on = this.#playing(line);
      const part = on && this.player.duration ? this.player.position / this.player.duration : 0;
      line.bar.value = on ? ((line.sounds.length > 1 ? this.#step : 0) + part) / line.sounds.length : 0;
    }
  }

  key(event) {
    const at = this.#lines.findIndex((line) => line.button === document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.#lines.length) {
      this.#lines[Math.max(0, Math.min(this.#lines.length - 1, at + step))].button.focus();
      return true;
    }
    if (event.key !== " " || at >= 0) return false;
    this.player.toggle();
    return true;
  }

  name(id) {
    const line = this.#lines.find((one) => one.sounds.includes(id) && this.#playing(one));
    return line ? [line.name, line.detail] : null;
  }
}

// The sliders of the edits: as the server names them, in groups.

import { make } from "./page/dom.js";
import { figure, style, text } from "./words.js";

const GROUPS = {
  pose: ["tempo", "pitch"],
  colour: ["brightness", "bass", "mids", "presence", "treble"],
  level: ["gain", "dynamics", "tremolo", "ducking", "fade_in", "fade_out"],
  other: ["timbre", "rhythm", "harmony"],
};
const RATIO = new Set(["tempo"]); // slid by octaves
const shown = (name, value) => figure(value, ["tempo", "dynamics", "timbre", "rhythm", "harmony", "between", "style"].includes(name) ? 2 : 1);

export class Edits {
  #place;
  #state;
  #edits;
  #sliders = new Map(); // name -> { input, output }
  #other = null; // <select>
  #chosen = ""; // id of the other song
  #genres; // that a song can be moved to
  #style = null; // <select>
  #byHand = false; // whether a mouse or a finger moves the slider: then it snaps to where nothing changes

  constructor(place, facts, state) {
    this.#place = place;
    this.#state = state;
    this.#edits = new Map(facts.edits.map((edit) => [edit.name, edit]));
    this.#genres = facts.styles;
  }

  /** Build the sliders anew, in the language of the page. */
  draw() {
    this.#sliders.clear();
    const groups = Object.entries(GROUPS).map(([group, names]) =>
      make("fieldset", {}, make("legend", {}, text(`group.${group}`)),
        ...(group === "other" ? [this.#select()] : []),
        ...names.filter((name) => this.#edits.has(name)).map((name) => this.#slider(this.#edits.get(name))),
        ...(group === "other" ? [this.#slider({ name: "between", low: 0, high: 1, neutral: 0 })] : [])));
    if (this.#genres.length) {
      groups.push(make("fieldset", {}, make("legend", {}, text("group.style")), this.#genreSelect(),
        this.#slider({ name: "style", low: 0, high: 1.5, neutral: 0 })));
    }
    this.#place.replaceChildren(...groups);
    this.update();
  }

  #select() {
    this.#other = make("select", { id: "other", onchange: () => this.#choose(this.#other.value) });
    return make("div", { class: "edit" }, make("label", { for: "other" }, text("other")), this.#other);
  }

  #genreSelect() {
    const known = this.#genres.map((name) => [style(name), name]).sort(([a], [b]) => a.localeCompare(b));
    this.#style = make("select", { id: "style", onchange: () => {
      if (this.#state.edit.style) this.#state.change(null, (edit) => (edit.style.genre = this.#style.value));
    } }, ...known.map(([words, value]) => make("option", { value }, words)));
    return make("div", { class: "edit" }, make("label", { for: "style" }, text("genre")), this.#style);
  }

  #slider({ name, low, high, neutral }) {
    const id = `edit-${name}`;
    const slid = RATIO.has(name) ? Math.log2 : (x) => x;
    const input = make("input", {
      id, type: "range", min: slid(low), max: slid(high), step: (slid(high) - slid(low)) / 240,
      oninput: () => this.#move(name, this.#value(name, input)),
      onpointerdown: () => (this.#byHand = true),
      onkeydown: () => (this.#byHand = false),
      onchange: () => this.#state.release(),
      ondblclick: () => this.#move(name, neutral),
    });
    const output = make("output", { for: id });
    this.#sliders.set(name, { input, output, slid, neutral });
    return make("div", { class: "edit" }, make("label", { for: id }, text(`edit.${name}`)), input, output);
  }

  #value(name, input) {
    const { slid, neutral } = this.#sliders.get(name);
    const near = this.#byHand && Math.abs(input.value - slid(neutral)) < (input.max - input.min) / 100;
    const value = RATIO.has(name) ? 2 ** input.value : Number(input.value);
    return near ? neutral : Number(value.toFixed(4));
  }

  #move(name, value) {
    const { neutral } = this.#sliders.get(name);
    const other = this.#chosen;
    this.#state.change(name, (edit) => {
      if (name === "between") {
        edit.between = value === 0 ? null : { song: other, weight: value };
        return;
      }
      if (name === "style") {
        edit.style = value === 0 ? null : { genre: this.#style.value, weight: value };
        return;
      }
      if (value === neutral) delete edit.amounts[name];
      else edit.amounts[name] = value;
      if (GROUPS.other.includes(name)) edit.others[name] = other;
    });
  }

  #choose(id) {
    this.#chosen = id;
    const { others, between } = this.#state.edit;
    if (!Object.keys(others).length && !between) return;
    this.#state.change(null, (edit) => {
      for (const part of Object.keys(edit.others)) edit.others[part] = id;
      if (edit.between) edit.between.song = id;
    });
  }

  /** Take another song, as if it were chosen in the list. */
  take(id) {
    this.#choose(id);
    this.update();
  }

  /** Show what the state says. */
  update() {
    const { amounts, between, others, style: moved } = this.#state.edit;
    for (const [name, { input, output, slid, neutral }] of this.#sliders) {
      const value = { between: between?.weight ?? 0, style: moved?.weight ?? 0 }[name] ?? amounts[name] ?? neutral;
      input.value = slid(value);
      input.setAttribute("aria-valuetext", shown(name, value));
      output.textContent = shown(name, value);
      output.classList.toggle("moved", value !== neutral);
    }
    if (moved && this.#style) this.#style.value = moved.genre;
    this.#songs(Object.values(others)[0] ?? between?.song);
  }

  #songs(used) {
    const rest = this.#state.songs.filter((song) => song !== this.#state.song);
    const known = rest.map((song) => song.id);
    if (used && known.includes(used)) this.#chosen = used;
    else if (!known.includes(this.#chosen)) this.#chosen = known[0] ?? "";
    this.#other.replaceChildren(...(rest.length
      ? rest.map((song) => make("option", { value: song.id, selected: song.id === this.#chosen }, song.name))
      : [make("option", { value: "" }, text("other.none"))]));
    this.#other.disabled = !rest.length;
    for (const name of [...GROUPS.other, "between"]) this.#sliders.get(name).input.disabled = !rest.length;
  }
}

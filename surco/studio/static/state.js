// What is open and what is asked of it. Edits can be undone; where one listens cannot.

const NOTHING = { amounts: {}, others: {}, drawn: {}, between: null, style: null };
const MOST = 200; // steps back

const copy = (value) => JSON.parse(JSON.stringify(value));

export class State extends EventTarget {
  songs = [];
  song = null; // the open one
  clip = 0;
  size = 512;
  packed = false; // rounded as in a packed file
  voice = "plain";
  edit = copy(NOTHING);
  #past = [];
  #future = [];
  #grip = null; // name of the control that is being moved: its moves are one step

  get edited() {
    const { amounts, drawn, between, style } = this.edit;
    return Object.keys(amounts).length > 0 || Object.keys(drawn).length > 0 || between !== null || style !== null;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  /** Set where one listens: song, clip, size, packed, voice. */
  set(values) {
    const changed = Object.keys(values).filter((name) => this[name] !== values[name]);
    if (!changed.length) return;
    Object.assign(this, values);
    if (changed.includes("song")) {
      this.clip = values.clip ?? 0;
      this.size = Math.min(this.size, this.song?.size ?? this.size);
    }
    this.#tell();
  }

  /** Change edits; moves of one `grip` after another are undone together. */
  change(grip, change) {
    if (grip === null || grip !== this.#grip) this.#past.push(copy(this.edit));
    if (this.#past.length > MOST) this.#past.shift();
    this.#grip = grip;
    this.#future = [];
    const next = copy(this.edit);
    change(next);
    this.edit = next;
    this.#tell();
  }

  /** The control was let go. */
  release() {
    this.#grip = null;
  }

  undo() {
    if (!this.canUndo) return;
    this.#future.push(this.edit);
    this.edit = this.#past.pop();
    this.#grip = null;
    this.#tell();
  }

  redo() {
    if (!this.canRedo) return;
    this.#past.push(this.edit);
    this.edit = this.#future.pop();
    this.#grip = null;
    this.#tell();
  }

  clear() {
    if (this.edited) this.change(null, (edit) => Object.assign(edit, copy(NOTHING)));
  }

  /** Take over what a project asks. */
  adopt({ clip, size, packed = false, amounts, others, drawn, between, style = null }) {
    this.edit = copy({ amounts, others, drawn, between, style });
    Object.assign(this, { clip, size, packed, voice: "plain" });
    this.#past = [];
    this.#tell();
  }

  /** A song is gone: so is what was taken from it. */
  forget(id) {
    this.songs = this.songs.filter((song) => song.id !== id);
    for (const [part, other] of Object.entries(this.edit.others)) {
      if (other === id) {
        delete this.edit.others[part];
        delete this.edit.amounts[part];
      }
    }
    if (this.edit.between?.song === id) this.edit.between = null;
    this.#past = [];
    this.#future = [];
    if (this.song?.id === id) this.song = this.songs[0] ?? null;
    this.clip = 0;
    this.#tell();
  }

  /** The question for what one voice sounds like. */
  ask(voice = this.voice) {
    const { clip, size, packed } = this;
    if (voice === "original" || voice === "ceiling") return { clip, kind: voice, size: 32 };
    if (voice === "unedited") return { clip, size, ...(packed ? { packed } : {}) };
    const { amounts, others, drawn, between, style } = this.edit;
    const given = Object.fromEntries(Object.entries(others).filter(([part]) => amounts[part]));
    const ask = { clip, size, ...(packed ? { packed } : {}) };
    if (voice !== "plain") ask.kind = voice;
    if (Object.keys(amounts).length) ask.amounts = amounts;
    if (Object.keys(given).length) ask.others = given;
    if (Object.keys(drawn).length) ask.drawn = drawn;
    if (between) ask.between = between;
    if (style) ask.style = style;
    return ask;
  }

  /** Which voices there are to hear now. */
  voices() {
    const found = this.song?.original ? ["original", "ceiling"] : [];
    found.push("plain", "textured");
    if (this.edited) {
      found.push("unedited");
      if (this.song?.original) found.push("processed");
      if (this.song?.original && (this.edit.between || Object.keys(this.ask().others ?? {}).length)) found.push("mixed");
    }
    return found;
  }

  #tell() {
    if (!this.voices().includes(this.voice)) this.voice = "plain";
    this.dispatchEvent(new Event("change"));
  }
}

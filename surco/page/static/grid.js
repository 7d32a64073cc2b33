// The listening set: one row a clip, one column a version of it.

import { make } from "./dom.js";
import { sound } from "./sounds.js";
import { figure, style, text } from "./texts.js";

/** What a column is called: "original", "ceiling" or its count of numbers. */
export function columnName(column) {
  return /^\d+$/.test(column) ? text("numbers", { n: column }) : text(column);
}

export class Grid {
  #cells = []; // [row][column] buttons
  #row = 0;
  #column = 0;

  constructor(root, data, player) {
    Object.assign(this, { root, data, player });
    player.addEventListener("change", () => this.#mark());
  }

  draw() {
    const { clips, columns, measure } = this.data;
    this.#cells = [];
    if (!clips.length) return this.root.replaceChildren(make("p", { class: "hint" }, text("listen.none")));
    const head = make("tr", {}, make("th", { scope: "col" }, text("clip")));
    columns.forEach((column, c) => {
      const title = column === "ceiling" ? text("listen.help.ceiling") : null;
      const name = /^\d+$/.test(column) ? column : text(column);
      head.append(make("th", { scope: "col", title }, make("kbd", {}, String(c + 1)), ` ${name}`));
    });
    const body = make("tbody");
    clips.forEach((clip, r) => {
      const row = make("tr", {}, make("th", { scope: "row" }, clip.id, make("small", {}, style(clip.genre))));
      this.#cells[r] = columns.map((column, c) => {
        const number = clip.sounds[column];
        if (number === undefined) {
          row.append(make("td"));
          return null;
        }
        const value = clip.scores?.[column];
        const button = make(
          "button",
          {
            type: "button",
            tabindex: -1,
            "data-row": r,
            "data-column": column,
            "aria-label": `${clip.id}, ${style(clip.genre)}, ${columnName(column)}`,
            "aria-pressed": "false",
            onclick: () => this.choose(r, c),
          },
          make("span", { class: "column", "aria-hidden": "true" }, /^\d+$/.test(column) ? column : text(column)),
          make("span", { class: "glyph", "aria-hidden": "true" }),
          value === undefined ? null : make("small", {}, figure(value, measure.digits)),
        );
        row.append(make("td", {}, button));
        return button;
      });
      body.append(row);
    });
    this.root.replaceChildren(
      make("p", { class: "hint" }, text("listen.how", { measure: text(`measure.${measure.name}`, {}, measure.name) })),
      make("div", { class: "wide" }, make("table", { class: "grid" }, make("thead", {}, head), body)),
    );
    this.#aim(this.#row, this.#column, false);
    this.#mark();
    this.#prepare(this.#row);
  }

  /** Play a cell. In the row that sounds, it goes on at the same instant; elsewhere it starts afresh. */
  choose(r, c) {
    const number = this.data.clips[r].sounds[this.data.columns[c]];
    const playing = this.#at();
    this.#aim(r, c);
    if (playing && playing.row === r && playing.column === c) return this.player.toggle();
    const ready = this.player.play(number, playing && playing.row === r && this.player.playing ? null : 0);
    ready.then(() => this.#prepare(r));
  }

  /** Decode a row, so that a switch between its columns has nothing to wait for. */
  #prepare(r) {
    for (const number of Object.values(this.data.clips[r]?.sounds ?? {})) sound(number);
  }

  key(event) {
    const rows = this.data.clips.length;
    const columns = this.data.columns.length;
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (!rows) return false;
    if (/^[1-9]$/.test(event.key) && Number(event.key) <= columns) {
      const c = Number(event.key) - 1;
      const playing = this.#at();
      if (playing?.row === this.#row && playing.column === c && this.player.playing) this.#aim(this.#row, c);
      else if (this.#cells[this.#row][c]) this.choose(this.#row, c);
      return true;
    }
    if (event.key in moves) {
      const [dr, dc] = moves[event.key];
      const r = Math.max(0, Math.min(rows - 1, this.#row + dr));
      const c = Math.max(0, Math.min(columns - 1, this.#column + dc));
      if (!this.#cells[r][c] || (r === this.#row && c === this.#column)) return true;
      if (this.player.playing && this.#at()) this.choose(r, c);
      else this.#aim(r, c);
      return true;
    }
    if (event.key === " ") {
      if (this.#at()) this.player.toggle();
      else this.choose(this.#row, this.#column);
      return true;
    }
    return false;
  }

  /** What the player's sound is called here, or null if it is none of these. */
  name(id) {
    const at = this.#find(id);
    return at && [this.data.clips[at.row].id, columnName(this.data.columns[at.column])];
  }

  #find(id) {
    if (id === null) return null;
    for (const [row, clip] of this.data.clips.entries()) {
      const column = this.data.columns.findIndex((name) => clip.sounds[name] === id);
      if (column >= 0) return { row, column };
    }
    return null;
  }

  #at() {
    return this.#find(this.player.id);
  }

  /** Put the roving focus on a cell. */
  #aim(r, c, focus = true) {
    const old = this.#cells[this.#row]?.[this.#column];
    if (old) old.tabIndex = -1;
    [this.#row, this.#column] = [r, c];
    const cell = this.#cells[r]?.[c];
    if (!cell) return;
    cell.tabIndex = 0;
    if (focus) {
      cell.focus({ preventScroll: true });
      cell.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  }

  #mark() {
    for (const old of this.root.querySelectorAll("[aria-pressed=true]")) old.setAttribute("aria-pressed", "false");
    const at = this.#at();
    if (at && this.player.playing) this.#cells[at.row]?.[at.column]?.setAttribute("aria-pressed", "true");
  }
}

// The view that makes new songs: what is asked for, how far it is, and what can be done with it.

import { make, say } from "./page/dom.js";
import { wavBuffer } from "./deck.js";
import * as server from "./server.js";
import { view } from "./views.js";
import { clock, figure, style, text } from "./words.js";

const LOOK = 400; // ms between two looks at a song that is being made
const FILES = { wav: "original", flac: "original", npy: "plain", surco: "plain" };

/** Add the view, where the server knows how to make songs. `keepAs` saves a file of a song. */
export function addMake({ facts, state, audition, complain, keepAs }) {
  if (!facts.genres.length) return;
  const place = view("make");
  const items = []; // { id, ask, song, share, state, error, element }, newest first
  const chosen = { genre: "", seconds: 30, tempo: "", key: "", like: false, seed: 0 };
  const form = make("form", { class: "make", onsubmit: (event) => { event.preventDefault(); begin(); } });
  const list = make("ul", { class: "made" });
  place.element.append(form, list);

  const field = (name, words, input, after = null) =>
    make("div", { class: "edit" }, make("label", { for: `make-${name}` }, words), input, after);
  const keep = (name) => (event) => (chosen[name] = event.target.value);

  function draw() {
    const genres = facts.genres.map((name) => [name, style(name)]).sort(([, a], [, b]) => a.localeCompare(b));
    const option = (now) => ([value, words]) => make("option", { value, selected: value === now }, words);
    const any = ["", text("make.any")];
    const keys = facts.keys.map((name) => [name, keyName(name)]);
    const length = make("output", { for: "make-seconds" }, `${chosen.seconds} s`);
    const seconds = make("input", { id: "make-seconds", type: "range", min: 5, max: 60, step: 5, value: chosen.seconds,
      oninput: (event) => { chosen.seconds = Number(event.target.value); length.textContent = `${chosen.seconds} s`; } });
    const like = make("input", { id: "make-like", type: "checkbox", checked: chosen.like, disabled: !state.song, onchange: () => (chosen.like = like.checked) });
    form.replaceChildren(
      make("p", { class: "hint" }, text("make.how")),
      make("fieldset", {}, make("legend", {}, text("make.asked")),
        field("genre", text("genre"), make("select", { id: "make-genre", onchange: keep("genre") }, ...[any, ...genres].map(option(chosen.genre)))),
        field("seconds", text("make.seconds"), seconds, length),
        field("tempo", text("make.tempo"), make("input", { id: "make-tempo", type: "number", min: 48, max: 192, step: "any", value: chosen.tempo, placeholder: text("make.any"), onchange: keep("tempo") })),
        field("key", text("make.key"), make("select", { id: "make-key", onchange: keep("key") }, ...[any, ...keys].map(option(chosen.key)))),
        field("seed", text("make.seed"), make("input", { id: "make-seed", type: "number", min: 0, max: 2 ** 31 - 1, step: 1, value: chosen.seed, required: true, onchange: keep("seed") })),
        make("label", { class: "check" }, like, " ", text("make.like", { name: state.song?.name ?? text("make.nosong") }))),
      make("button", { type: "submit", class: "main" }, text("make.begin")));
    items.forEach(show);
  }

  async function begin() {
    const ask = { seconds: chosen.seconds, seed: Number(chosen.seed) };
    if (chosen.genre) ask.genre = chosen.genre;
    if (chosen.key) ask.key = chosen.key;
    if (chosen.tempo) ask.tempo = Number(chosen.tempo);
    if (chosen.like && state.song) ask.like = state.song.id;
    try {
      const { id } = await server.makeSong(ask);
      const item = { id, ask, song: null, share: 0, state: "making", error: "", element: make("li") };
      items.unshift(item);
      list.prepend(item.element);
      show(item);
      say(text("make.making"));
      chosen.seed = Number(chosen.seed) + 1;
      document.getElementById("make-seed").value = chosen.seed;
      follow(item);
    } catch (error) {
      complain(error);
    }
  }

  async function follow(item) {
    while (item.state === "making") {
      await new Promise((done) => setTimeout(done, LOOK));
      try {
        Object.assign(item, await server.madeSong(item.id));
      } catch (error) {
        [item.state, item.error] = ["failed", String(error.message)];
      }
      const bar = item.element.querySelector("progress");
      if (item.state === "making" && bar) bar.value = item.share;
    }
    if (item.song) {
      state.songs = [...state.songs, item.song];
      if (state.song) state.dispatchEvent(new Event("songs"));
      else state.set({ song: item.song });
    }
    show(item);
    say(item.song ? text("make.done", { name: title(item.song) }) : told(item));
  }

  /** A song in the language of the page. */
  function title({ name, made }) {
    if (!made) return name;
    return text(made.key ? "make.name" : "make.name.nokey", {
      genre: style(made.genre), key: keyName(made.key), n: figure(made.tempo, 0), seed: made.seed,
    });
  }

  function keyName(key) {
    if (!key) return "";
    const [tonic, mode] = key.split(" ");
    return `${text("notes").split(" ")[facts.tonics.indexOf(tonic)]} ${text(`mode.${mode}`)}`;
  }

  const told = (item) => item.error || text(`make.${item.state}`);

  function show(item) {
    const button = (words, action, more = {}) => make("button", { type: "button", onclick: () => Promise.resolve(action()).catch(complain), ...more }, words);
    const { song, element } = item;
    const asked = [item.ask.genre && style(item.ask.genre), clock(item.ask.seconds)].filter(Boolean).join(", ");
    if (item.state === "making") {
      element.replaceChildren(
        make("span", {}, asked), make("progress", { max: 1, value: item.share, "aria-label": text("make.making") }),
        button(text("make.cancel"), async () => { await server.unmakeSong(item.id); item.state = "cancelled"; }));
    } else if (!song) element.replaceChildren(make("span", { class: item.error ? "complaint" : "" }, `${asked}: ${told(item)}`));
    else if (!state.songs.some(({ id }) => id === song.id)) element.remove();
    else {
      element.replaceChildren(
        make("strong", {}, title(song)),
        make("div", { class: "row" },
          button(`▶ ${text("play")}`, () => listen(song), { class: "main", "aria-label": `${text("play")} ${title(song)}` }),
          ...Object.entries(FILES).map(([format, kind]) => button(text(`save.${format}`), () => keepAs(song.id, { format, kind, size: song.size }), { "data-make": format })),
          button(text("make.open"), () => open(song))));
    }
  }

  async function listen(song) {
    const { blob } = await server.file(song.id, { format: "wav", kind: "original", size: 32 });
    audition(wavBuffer(await blob.arrayBuffer()), title(song));
  }

  function open(song) {
    state.set({ song, voice: "plain" });
    place.go("studio");
  }

  place.shown(draw);
  place.words(draw);
}

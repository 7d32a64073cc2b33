// Puts the studio together: what is open, what sounds, what is shown of it.

import { make, say } from "./page/dom.js";
import { load, save } from "./page/store.js";
import { Deck, wavBuffer } from "./deck.js";
import { Dimensions } from "./dimensions.js";
import { Edits } from "./edits.js";
import { Foot } from "./foot.js";
import { addMake } from "./making.js";
import { addMap } from "./mapping.js";
import { record } from "./recorder.js";
import * as server from "./server.js";
import * as views from "./views.js";
import { State } from "./state.js";
import { clock, figure, preferred, speak, spoken, style, text } from "./words.js";

const at = (id) => document.getElementById(id);
const state = new State();
const deck = new Deck();
const askSound = server.soundLine(wavBuffer, "sound");
const askAhead = server.soundLine(wavBuffer, "ahead");
const askMeasures = server.measuresLine();
const askVector = server.vectorLine();
const FORMATS = ["wav", "flac", "npy", "surco", "studio", "html"];
const MEASURES = { zimtohrli: 2, chroma: 2, onset: 2, log_mel_db: 1 };
const foot = new Foot(deck, state);
const dimensions = new Dimensions(at("dimensions"), at("parts"), state);
let facts = null;
let edits = null;
let wanted = 0; // number of the newest question for sound
let heard = 0; // of the newest that was answered
let rate = null; // bits a second of the song as a packed file, at the size that was shown last
let rest = 0; // timer: nothing moved for a while
let stopRecording = null;


function complain(error) {
  const words = error instanceof server.Refused ? error.message : error instanceof TypeError ? text("leave") : String(error);
  at("complaint").textContent = words;
}

// -- sound -----------------------------------------------------------------------------------------

/** Get the sound that the state asks for, and put it on where the last one stands. */
async function listen() {
  if (!state.song) return;
  const question = { song: state.song.id, ask: state.ask() };
  const number = ++wanted;
  const ready = server.atHand(question.song, question.ask);
  try {
    const found = ready ?? await askSound(question);
    if (found && number > heard) {
      heard = number;
      on(found);
      at("complaint").textContent = "";
    }
  } catch (error) {
    if (number === wanted) complain(error);
  }
}

function on(found) {
  foot.put(found.buffer, { lowered: found.lowered });
}

/** Hear something else than the state asks for, until that changes. */
function audition(buffer, name) {
  heard = ++wanted; // an answer that is under way comes too late
  foot.put(buffer, { name });
  at("player").hidden = false;
  deck.play();
}

/** What takes longer, when nothing has moved for a moment: measures, dimensions, the sound to compare with. */
async function settle() {
  if (!state.song) return;
  const question = { song: state.song.id, ask: state.ask() };
  const plain = { song: state.song.id, ask: state.ask(state.voices().includes("unedited") ? "plain" : state.voice) };
  if (["original", "ceiling"].includes(state.voice)) plain.ask = state.ask("plain");
  delete plain.ask.kind;
  askVector(plain).then((found) => {
    if (!found) return;
    dimensions.show(found);
    rate = found.rate;
    rated();
  }, complain);
  if (!state.song.original) {
    measured({});
    return;
  }
  if (state.voice !== "original") {
    askMeasures(question).then((found) => {
      if (found && JSON.stringify(question.ask) === JSON.stringify(state.ask())) measured(found);
    }, complain);
  } else measured(null);
  const original = state.ask("original");
  if (!server.atHand(question.song, original)) askAhead({ song: question.song, ask: original }).catch(() => {});
}

function moved() {
  at("measures").classList.add("old");
  listen();
  clearTimeout(rest);
  rest = setTimeout(settle, 220);
  show();
}

// -- what is shown ---------------------------------------------------------------------------------

function measured(found) {
  at("measures").classList.remove("old");
  at("measures").replaceChildren(...Object.entries(MEASURES).map(([name, digits]) =>
    make("div", {}, make("dt", {}, text(`measure.${name}`)),
      make("dd", { "data-measure": name }, found?.[name] === undefined || found?.[name] === null ? "–" : figure(found[name], digits)))));
}

function words() {
  document.title = text("studio");
  at("language").textContent = text("other.language");
  at("language").lang = spoken() === "es" ? "en" : "es";
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", text(element.dataset.label));
  at("record").textContent = text(stopRecording ? "recording" : "record");
  drawDemo();
  edits?.draw();
  at("saves").replaceChildren(...FORMATS.map((format) =>
    make("button", { type: "button", "data-format": format, onclick: () => keep(format) }, text(`save.${format}`))));
  measured(null);
  dimensions.words();
  views.words();
  show();
  foot.told();
}

let demos = [];
function drawDemo() {
  at("demo").replaceChildren(text("demo"), ...demos.map((name) =>
    make("button", { type: "button", onclick: () => add(name, () => server.openDemo(name)) }, style(name))));
}

function rated() {
  at("rate").textContent = rate === null ? text("rate.none") : text("rate", { n: figure(rate, 0) });
}

/** Everything but the sound: songs, clips, voices, sliders. */
function show() {
  const { song, songs } = state;
  at("desk").hidden = at("keys").hidden = !song;
  at("drop").classList.toggle("small", Boolean(song));
  at("intro").hidden = Boolean(song);
  if (song || !deck.buffer) at("player").hidden = !song;
  const focus = document.activeElement?.dataset?.key;
  at("songs").replaceChildren(...songs.map((one) => make("li", {},
    make("button", { type: "button", "data-key": `song-${one.id}`, "aria-pressed": String(one === song), onclick: () => state.set({ song: one }) }, one.name),
    make("button", { type: "button", "aria-label": text("remove", { name: one.name }), onclick: () => close(one) }, "×"))));
  if (song) {
    at("strip").replaceChildren(...song.gains.map((gain, i) => make("button", {
      type: "button", "data-key": `clip-${i}`, "aria-pressed": String(i === state.clip),
      "aria-label": text("clip.at", { n: i + 1, time: clock(i * 4.75) }), onclick: () => state.set({ clip: i }),
    }, make("meter", { min: -60, max: 0, value: gain, "aria-hidden": "true" }), clock(i * 4.75))));
    at("voices").replaceChildren(...state.voices().map((voice, i) => {
      const name = voice === "plain" && state.edited ? "edited" : voice;
      const checked = voice === state.voice;
      return make("button", {
        type: "button", role: "radio", "data-key": `voice-${voice}`, "data-voice": voice, "aria-checked": String(checked),
        class: checked ? "main" : "", title: text(`help.${name}`), tabindex: checked ? 0 : -1, onclick: () => state.set({ voice }),
      }, text(`voice.${name}`), make("kbd", { "aria-hidden": "true" }, String(i + 1)));
    }));
    at("size").max = Math.log2(song.size);
    at("size").value = Math.log2(state.size);
    at("sized").textContent = text("sized", { n: figure(state.size, 0) });
    at("size").setAttribute("aria-valuetext", at("sized").textContent);
    at("packed").checked = state.packed;
    rated();
    at("undo").disabled = !state.canUndo;
    at("redo").disabled = !state.canRedo;
    at("clear").disabled = !state.edited;
    edits.update();
  }
  if (focus) document.querySelector(`[data-key="${CSS.escape(focus)}"]`)?.focus();
}

// -- songs in and out ------------------------------------------------------------------------------

async function add(name, open) {
  at("complaint").textContent = "";
  say(text("opening", { name }));
  document.body.setAttribute("aria-busy", "true");
  try {
    const { songs, ask } = await open();
    state.songs = [...state.songs, ...songs];
    state.set({ song: songs[0], voice: "plain" });
    views.go("studio");
    if (ask) state.adopt(ask);
    say(text("opened", { name: songs[0].name, n: songs[0].clips }));
  } catch (error) {
    complain(error);
  } finally {
    document.body.removeAttribute("aria-busy");
  }
}

async function addFiles(list) {
  for (const file of list) {
    if (file.size > facts.limits.bytes) at("complaint").textContent = `${file.name}: > ${Math.round(facts.limits.bytes / 1e6)} MB`;
    else await add(file.name, () => server.open(file.name, file));
  }
}

async function close(song) {
  await server.remove(song.id).catch(complain);
  if (song === state.song) deck.pause();
  state.forget(song.id);
}

/** Save what a song is asked for as a file; the answer is its name. */
async function keepAs(song, ask) {
  const { name, blob } = await server.file(song, ask);
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  return name;
}

async function keep(format) {
  const ask = { ...state.ask("plain"), format, language: spoken(), whole: !at("alone").checked };
  if (format === "studio") ask.whole = true;
  at("saved").textContent = text("saving", { name: text(`save.${format}`) });
  try {
    const name = await keepAs(state.song.id, ask);
    const posed = ["npy", "surco"].includes(format) && (ask.amounts?.tempo || ask.amounts?.pitch);
    at("saved").textContent = [text("saved", { name }), posed ? text("saved.pose") : ""].join(". ");
    say(at("saved").textContent);
  } catch (error) {
    at("saved").textContent = "";
    complain(error);
  }
}

async function toggleRecording() {
  if (stopRecording) {
    const stop = stopRecording;
    stopRecording = null;
    await add(text("microphone"), async () => server.open(text("microphone"), await stop()));
  } else {
    try {
      stopRecording = await record();
    } catch {
      at("complaint").textContent = text("nomic");
    }
  }
  at("record").setAttribute("aria-pressed", String(Boolean(stopRecording)));
  at("record").textContent = text(stopRecording ? "recording" : "record");
}

// -- hands -----------------------------------------------------------------------------------------

function key(event) {
  if (event.altKey || !state.song) return false;
  if (event.ctrlKey || event.metaKey) {
    if (event.key.toLowerCase() !== "z") return false;
    if (event.shiftKey) state.redo();
    else state.undo();
    return true;
  }
  const { tagName, type } = event.target;
  const arrow = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (tagName === "SELECT" || (tagName === "INPUT" && (type !== "range" || arrow || event.key.startsWith("Arrow")))) return false;
  if (event.target === at("spectrogram") && arrow) {
    deck.seek(deck.share + arrow / 20);
    foot.paint();
  } else if (event.target.closest?.("[role=radiogroup]") && arrow) {
    const voices = state.voices();
    state.set({ voice: voices[(voices.indexOf(state.voice) + arrow + voices.length) % voices.length] });
    at("voices").querySelector(".main").focus();
  } else if (arrow) state.set({ clip: Math.max(0, Math.min(state.song.clips - 1, state.clip + arrow)) });
  else if (event.key === " " && !["BUTTON", "INPUT"].includes(tagName)) deck.toggle();
  else if (/^[1-8]$/.test(event.key)) {
    const voice = state.voices()[Number(event.key) - 1];
    if (voice) state.set({ voice });
  } else if (event.key === "+" || event.key === "-") {
    const octave = Math.log2(state.size) + (event.key === "+" ? 1 : -1);
    state.set({ size: Math.round(2 ** Math.max(5, Math.min(Math.log2(state.song.size), octave))) });
  } else if (event.key === "z") state.undo();
  else if (event.key === "y") state.redo();
  else return false;
  return true;
}

function wire() {
  document.addEventListener("keydown", (event) => key(event) && event.preventDefault());
  at("choose").addEventListener("click", () => at("files").click());
  at("files").addEventListener("change", async () => {
    await addFiles(at("files").files);
    at("files").value = "";
  });
  at("record").addEventListener("click", toggleRecording);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    at("drop").classList.add("over");
  });
  document.addEventListener("dragleave", () => at("drop").classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    at("drop").classList.remove("over");
    addFiles([...event.dataTransfer.files]);
  });
  at("size").addEventListener("input", () => state.set({ size: Math.round(2 ** at("size").value) }));
  at("packed").addEventListener("change", () => state.set({ packed: at("packed").checked }));
  at("undo").addEventListener("click", () => state.undo());
  at("redo").addEventListener("click", () => state.redo());
  at("clear").addEventListener("click", () => state.clear());
  at("language").addEventListener("click", () => {
    speak(spoken() === "es" ? "en" : "es");
    save("language", spoken());
    words();
    clearTimeout(rest);
    rest = setTimeout(settle, 50);
  });
  at("theme").addEventListener("click", () => {
    const root = document.documentElement;
    root.dataset.theme = getComputedStyle(root).getPropertyValue("--dark").trim() === "1" ? "light" : "dark";
    save("theme", root.dataset.theme);
    dimensions.paint();
  });
  state.addEventListener("change", moved);
  state.addEventListener("songs", show);
}

speak(load("language") ?? preferred(navigator.languages) ?? "en");
const theme = load("theme");
if (theme) document.documentElement.dataset.theme = theme;
words();
wire();
window.studio = { state, deck, settle }; // for tests and for the curious
try {
  facts = await server.begin();
  edits = new Edits(at("edits"), facts, state);
  demos = await server.demo();
  words();
  views.start();
  views.whenBack(() => foot.apart && listen());
  window.studio.atlas = addMap({ state, edits, audition, complain });
  addMake({ facts, state, audition, complain, keepAs });
  document.body.dataset.ready = "yes";
  for (const script of facts.scripts) await (await import(`../${script}`)).extend({ text, figure, make, complain, server, audition, view: views.view });
} catch (error) {
  complain(error);
}

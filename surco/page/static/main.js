// Puts the views together: tabs, keys, the player at the foot, theme and language.

import { Blind } from "./blind.js";
import { Grid } from "./grid.js";
import { Atlas } from "./map.js";
import { Player } from "./player.js";
import { lowpass, sound } from "./sounds.js";
import { spectrogram } from "./spectrogram.js";
import { Songs } from "./songs.js";
import { load, save } from "./store.js";
import { figure, preferred, speak, spoken, text } from "./texts.js";

const data = JSON.parse(document.getElementById("data").textContent);
const player = new Player();
const at = (id) => document.getElementById(id);
const views = {
  listen: new Grid(at("listen"), data, player),
  blind: new Blind(at("blind"), data, player),
  songs: new Songs(at("songs"), data, player),
  map: new Atlas(at("map"), data, player),
};
for (const name of Object.keys(views)) {
  if (data.views.includes(name)) continue;
  at(`tab-${name}`).remove();
  at(name).remove();
  delete views[name];
}
let view = "listen";
let pictured = null; // id of the sound whose spectrogram stands
let picture = null;

function words() {
  document.title = `${data.title} · Surco`;
  at("title").textContent = data.title;
  at("language").textContent = text("other");
  at("language").lang = spoken() === "es" ? "en" : "es";
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", text(element.dataset.label));
  for (const one of Object.values(views)) one.draw();
  told();
}

function show(name) {
  if (name !== view) player.pause();
  view = name;
  for (const other of Object.keys(views)) {
    at(other).hidden = other !== name;
    at(`tab-${other}`).setAttribute("aria-selected", String(other === name));
    at(`tab-${other}`).tabIndex = other === name ? 0 : -1;
  }
  views[name].draw();
  told();
}

/** The foot of the page says what sounds, unless a blind test forbids it. */
async function told() {
  const [name, detail] = (player.id !== null && views[view].name(player.id)) || [text("idle"), ""];
  at("now").textContent = name;
  at("where").dataset.detail = detail;
  at("toggle").textContent = player.playing ? "❚❚" : "▶";
  at("toggle").setAttribute("aria-label", text(player.playing ? "pause" : "play"));
  at("player").classList.toggle("secret", Boolean(views[view].secret));
  at("player").classList.toggle("empty", player.id === null);
  if (player.id !== null && pictured !== player.id) {
    pictured = player.id;
    const buffer = await sound(player.id);
    if (pictured === player.id) picture = spectrogram(buffer);
  }
  paint();
}

function paint() {
  const canvas = at("spectrogram");
  const { clientWidth: w, clientHeight: h } = canvas;
  if (w) {
    const scale = devicePixelRatio || 1;
    if (canvas.width !== Math.round(w * scale)) canvas.width = Math.round(w * scale);
    if (canvas.height !== Math.round(h * scale)) canvas.height = Math.round(h * scale);
    const pen = canvas.getContext("2d");
    pen.imageSmoothingEnabled = true;
    pen.fillStyle = "#000004";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    if (picture && !views[view].secret) pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
    if (player.duration) {
      const x = (player.position / player.duration) * canvas.width;
      pen.fillStyle = "#7fe3ff";
      pen.fillRect(x - scale, 0, 2 * scale, canvas.height);
    }
  }
  canvas.setAttribute("aria-valuemax", player.duration.toFixed(1));
  canvas.setAttribute("aria-valuenow", player.position.toFixed(1));
  const detail = at("where").dataset.detail;
  const clock = player.duration ? `${figure(player.position, 1)} / ${figure(player.duration, 1)} s` : "";
  at("where").textContent = [detail, clock].filter(Boolean).join(" · ");
}

function tick() {
  if (player.playing) {
    paint();
    views[view].tick?.();
  }
  requestAnimationFrame(tick);
}

function theme(next) {
  const root = document.documentElement;
  if (next) root.dataset.theme = next;
  save("theme", next);
  for (const one of Object.values(views)) if (one !== views.blind) one.draw();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { tagName, type } = event.target;
  if (tagName === "TEXTAREA" || (tagName === "INPUT" && !["range", "radio", "checkbox"].includes(type))) return;
  const tab = event.target.closest?.("[role=tab]");
  if (tab && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
    const names = Object.keys(views);
    const next = names[(names.indexOf(view) + (event.key === "ArrowRight" ? 1 : names.length - 1)) % names.length];
    show(next);
    at(`tab-${next}`).focus();
  } else if (event.target === at("spectrogram") && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
    player.seek(player.position + (event.key === "ArrowLeft" ? -0.5 : 0.5));
  } else {
    const pressed = event.key === " " && (["BUTTON", "INPUT"].includes(tagName) && !event.target.closest(".grid"));
    if (pressed || !views[view].key(event)) return;
  }
  event.preventDefault();
});

for (const name of Object.keys(views)) at(`tab-${name}`).addEventListener("click", () => show(name));
at("toggle").addEventListener("click", () => player.toggle());
at("loop").addEventListener("change", (event) => player.setLoop(event.target.checked));
at("spectrogram").addEventListener("click", (event) => {
  const box = event.target.getBoundingClientRect();
  player.seek(((event.clientX - box.left) / box.width) * player.duration);
});
at("language").addEventListener("click", () => {
  speak(spoken() === "es" ? "en" : "es");
  save("language", spoken());
  words();
});
at("theme").addEventListener("click", () => {
  const dark = getComputedStyle(document.documentElement).getPropertyValue("--dark").trim() === "1";
  theme(dark ? "light" : "dark");
});
player.addEventListener("change", told);
new ResizeObserver(paint).observe(at("spectrogram"));

speak(load("language") ?? preferred(navigator.languages) ?? data.language);
const chosen = load("theme");
if (chosen) document.documentElement.dataset.theme = chosen;
show("listen");
words();
tick();
window.surco = { player, views, sound, lowpass }; // for tests and for the curious

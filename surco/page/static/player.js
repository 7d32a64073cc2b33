// One voice for the whole page: moving to another sound keeps the instant.

import { audio, sound } from "./sounds.js";

const FADE = 0.012; // s, so that a switch does not click

/** Plays one sound at a time. Sends "change" when what plays, or whether it plays, changes. */
export class Player extends EventTarget {
  #voice = null; // { source, gain } while something sounds
  #asked = 0; // number of the newest request; an older one that ends later is dropped
  #offset = 0; // s, where the sound stood at #since
  #since = 0; // context time
  id = null;
  duration = 0;
  loop = false;

  get playing() {
    return this.#voice !== null;
  }

  /** Position in seconds. */
  get position() {
    if (!this.playing) return this.#offset;
    const at = this.#offset + audio().currentTime - this.#since;
    return this.loop && this.duration ? at % this.duration : Math.min(at, this.duration);
  }

  /** Play a sound from `at` seconds; by default from where the last one stands, if one is playing. */
  async play(id, at = null) {
    const asked = ++this.#asked;
    if (audio().state === "suspended") await audio().resume();
    const buffer = await sound(id);
    if (asked !== this.#asked) return;
    let from = at ?? (this.playing ? this.position : 0);
    if (from >= buffer.duration - 0.02) from = 0;
    this.#silence();
    this.id = id;
    this.duration = buffer.duration;
    const source = new AudioBufferSourceNode(audio(), { buffer, loop: this.loop });
    const gain = new GainNode(audio(), { gain: 0 });
    source.connect(gain).connect(audio().destination);
    const now = audio().currentTime;
    gain.gain.setValueAtTime(0, now);
    gain.gain.linearRampToValueAtTime(1, now + FADE);
    source.start(now, from);
    source.onended = () => {
      if (this.#voice?.source !== source) return;
      this.#voice = null;
      this.#offset = 0;
      this.#tell();
      this.dispatchEvent(new Event("ended"));
    };
    this.#voice = { source, gain };
    this.#offset = from;
    this.#since = now;
    this.#tell();
  }

  pause() {
    this.#asked++;
    const at = this.position;
    this.#silence();
    this.#offset = at;
    this.#tell();
  }

  toggle() {
    if (this.playing) this.pause();
    else if (this.id !== null) this.play(this.id, this.#offset);
  }

  seek(at) {
    const to = Math.max(0, Math.min(at, this.duration - 0.05));
    if (this.playing) this.play(this.id, to);
    else {
      this.#offset = to;
      this.#tell();
    }
  }

  setLoop(on) {
    const at = this.position;
    this.loop = on;
    if (this.playing) this.play(this.id, at);
  }

  #silence() {
    if (!this.#voice) return;
    const { source, gain } = this.#voice;
    this.#voice = null;
    const now = audio().currentTime;
    gain.gain.cancelScheduledValues(now);
    gain.gain.setValueAtTime(gain.gain.value, now);
    gain.gain.linearRampToValueAtTime(0, now + FADE);
    source.stop(now + FADE);
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}

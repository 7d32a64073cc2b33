// One voice that is exchanged while it sounds: the new sound comes in where the old one stands.

const RATE = 22050; // Hz, that of every sound
const FADE = 0.03; // s of a cross-fade
const EDGE = 0.004; // s at the ends of a loop, so that its seam does not click
const LEAD = 0.02; // s ahead, so that both sides of a cross-fade begin at one sample
const STEPS = 32;

const rise = Float32Array.from({ length: STEPS }, (_, i) => Math.sin((Math.PI / 2) * (i / (STEPS - 1))));

/** The AudioBuffer of a 16-bit mono WAV. */
export function wavBuffer(bytes) {
  const view = new DataView(bytes);
  let at = 12;
  while (view.getUint32(at, false) !== 0x64617461) at += 8 + view.getUint32(at + 4, true); // until "data"
  const length = Math.min(view.getUint32(at + 4, true), bytes.byteLength - at - 8) >> 1;
  const samples = new Float32Array(Math.max(1, length));
  for (let i = 0; i < length; i++) samples[i] = view.getInt16(at + 8 + 2 * i, true) / 32768;
  const edge = Math.min(Math.round(EDGE * RATE), length >> 1);
  for (let i = 0; i < edge; i++) {
    samples[i] *= i / edge;
    samples[length - 1 - i] *= i / edge;
  }
  const buffer = new AudioBuffer({ length: samples.length, sampleRate: RATE });
  buffer.copyToChannel(samples, 0);
  return buffer;
}

/** Plays one buffer in a loop. Sends "change" when it starts or stops. */
export class Deck extends EventTarget {
  #context = null;
  #voice = null; // { source, gain, since, from, duration } while something sounds
  #share = 0; // where it stands while nothing sounds, 0 to 1
  buffer = null;
  analyser = null;

  get playing() {
    return this.#voice !== null;
  }

  get duration() {
    return this.buffer?.duration ?? 0;
  }

  /** Where it stands, as a share of the clip: what lasts longer or shorter stands at the same instant. */
  get share() {
    return this.#voice ? this.#shareAt(this.#context.currentTime) : this.#share;
  }

  #shareAt(time) {
    const { since, from, duration } = this.#voice;
    return (((from + (time - since)) / duration) % 1 + 1) % 1;
  }

  #audio() {
    if (!this.#context) {
      this.#context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
      this.analyser = new AnalyserNode(this.#context, { fftSize: 2048 });
      this.analyser.connect(this.#context.destination);
    }
    return this.#context;
  }

  /** Put a sound on; it goes on where the last one stands, if that sounds. */
  put(buffer) {
    if (buffer === this.buffer) return;
    this.buffer = buffer;
    if (this.playing) this.#start(null);
  }

  async play() {
    if (!this.buffer) return;
    const context = this.#audio();
    if (context.state === "suspended") await context.resume();
    if (!this.playing) this.#start(this.#share);
    this.dispatchEvent(new Event("change"));
  }

  pause() {
    if (!this.playing) return;
    this.#share = this.share;
    this.#fadeOut(this.#context.currentTime);
    this.#voice = null;
    this.dispatchEvent(new Event("change"));
  }

  toggle() {
    return this.playing ? this.pause() : this.play();
  }

  /** Go to a share of the clip. */
  seek(share) {
    const to = Math.max(0, Math.min(share, 0.999));
    if (this.playing) this.#start(to);
    else this.#share = to;
  }

  #start(share) {
    const context = this.#audio();
    const when = context.currentTime + LEAD;
    const at = share ?? this.#shareAt(when);
    if (this.#voice) this.#fadeOut(when);
    const source = new AudioBufferSourceNode(context, { buffer: this.buffer, loop: true });
    const gain = new GainNode(context, { gain: 0 });
    source.connect(gain).connect(this.analyser);
    gain.gain.setValueAtTime(0, context.currentTime);
    gain.gain.setValueCurveAtTime(rise, when, FADE);
    const from = at * this.buffer.duration;
    source.start(when, from);
    this.#voice = { source, gain, since: when, from, duration: this.buffer.duration };
  }

  #fadeOut(when) {
    const { source, gain } = this.#voice;
    const now = this.#context.currentTime;
    const begun = this.#voice.since + FADE;
    const begin = Math.max(when, now);
    if (begin >= begun) {
      const fall = rise.slice().reverse();
      gain.gain.setValueCurveAtTime(fall, begin, FADE);
    } else { // still on its way in: from wherever it is by then
      const level = Math.sin((Math.PI / 2) * Math.max(0, Math.min(1, (begin - this.#voice.since) / FADE)));
      gain.gain.cancelScheduledValues(0);
      gain.gain.setValueAtTime(level, now);
      gain.gain.setValueCurveAtTime(Float32Array.from(rise, (x) => level * x).reverse(), begin, FADE);
    }
    source.stop(begin + FADE + 0.01);
  }
}

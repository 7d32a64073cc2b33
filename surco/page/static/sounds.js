// The sounds of the page: base64 MP3 in inert <script> elements, decoded when first asked for.

const RATE = 22050; // Hz, that of every clip
const KEPT = 48; // decoded sounds held in memory, about 0.4 MB each
const DELAY = 1105; // samples that LAME (576) and any decoder (529) put before the first one

let context = null;
const coder = new OfflineAudioContext(1, 1, RATE); // decodes before any gesture allows a sound
const decoded = new Map(); // id -> Promise<AudioBuffer>, oldest first

/** The one audio context, made at the first sound because browsers want a gesture before. */
export function audio() {
  context ??= new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
  return context;
}

function bytes(element) {
  const text = atob(element.textContent);
  const out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
  return out.buffer;
}

/** The sound itself, without the silence that the coding put around it. */
function trim(buffer, length) {
  const from = Math.max(0, Math.min(DELAY, buffer.length - length));
  const out = new AudioBuffer({ length, sampleRate: buffer.sampleRate });
  out.copyToChannel(buffer.getChannelData(0).subarray(from, from + length), 0);
  return out;
}

/** Blackman-windowed sinc low-pass, zero phase: the anchor of a MUSHRA test. */
export function lowpass(samples, rate, cutoff, taps = 201) {
  const half = (taps - 1) / 2;
  const kernel = new Float32Array(taps);
  let sum = 0;
  for (let i = 0; i < taps; i++) {
    const x = i - half;
    const sinc = x === 0 ? (2 * cutoff) / rate : Math.sin((2 * Math.PI * cutoff * x) / rate) / (Math.PI * x);
    const t = (2 * Math.PI * i) / (taps - 1);
    kernel[i] = sinc * (0.42 - 0.5 * Math.cos(t) + 0.08 * Math.cos(2 * t));
    sum += kernel[i];
  }
  const out = new Float32Array(samples.length);
  for (let n = 0; n < samples.length; n++) {
    let y = 0;
    const from = Math.max(0, n + half - samples.length + 1);
    const to = Math.min(taps - 1, n + half);
    for (let k = from; k <= to; k++) y += kernel[k] * samples[n + half - k];
    out[n] = y / sum;
  }
  return out;
}

async function decode(id) {
  if (typeof id === "string" && id.startsWith("anchor:")) {
    const source = await sound(Number(id.slice(7)));
    const buffer = new AudioBuffer({ length: source.length, sampleRate: source.sampleRate });
    buffer.copyToChannel(lowpass(source.getChannelData(0), source.sampleRate, 3500), 0);
    return buffer;
  }
  const element = document.getElementById(`sound-${id}`);
  return trim(await coder.decodeAudioData(bytes(element)), Number(element.dataset.samples));
}

/** The AudioBuffer of a sound: its number, or "anchor:N" for sound N through the 3.5 kHz low-pass. */
export function sound(id) {
  let found = decoded.get(id);
  decoded.delete(id);
  found ??= decode(id);
  decoded.set(id, found);
  if (decoded.size > KEPT) decoded.delete(decoded.keys().next().value);
  return found;
}

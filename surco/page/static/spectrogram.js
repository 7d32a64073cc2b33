// Mel spectrograms drawn from the decoded sound, so that the file carries no pictures.

const FFT = 1024;
const BANDS = 80;
const FLOOR = -80; // dB below full scale
const MAGMA = [
  [0, 0, 4], [28, 16, 68], [79, 18, 123], [129, 37, 129], [181, 54, 122],
  [229, 80, 100], [251, 135, 97], [254, 194, 135], [252, 253, 191],
];

function colour(level) {
  const x = Math.max(0, Math.min(0.9999, level)) * (MAGMA.length - 1);
  const i = Math.floor(x);
  return MAGMA[i].map((c, k) => c + (x - i) * (MAGMA[i + 1][k] - c));
}

/** In-place radix-2 FFT of `re` and `im`, whose length is a power of two. */
export function fft(re, im) {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j], re[i]];
      [im[i], im[j]] = [im[j], im[i]];
    }
  }
  for (let size = 2; size <= n; size *= 2) {
    const half = size / 2;
    for (let k = 0; k < half; k++) {
      const c = Math.cos((-2 * Math.PI * k) / size);
      const s = Math.sin((-2 * Math.PI * k) / size);
      for (let a = k; a < n; a += size) {
        const b = a + half;
        const x = re[b] * c - im[b] * s;
        const y = re[b] * s + im[b] * c;
        re[b] = re[a] - x;
        im[b] = im[a] - y;
        re[a] += x;
        im[a] += y;
      }
    }
  }
}

const mel = (hz) => 2595 * Math.log10(1 + hz / 700);
const hertz = (m) => 700 * (10 ** (m / 2595) - 1);

/** Edges in FFT bins of the mel bands. */
function edges(rate) {
  const top = mel(rate / 2);
  return Array.from({ length: BANDS + 2 }, (_, i) => (hertz((top * i) / (BANDS + 1)) * FFT) / rate);
}

/** Level in dB of each mel band over time: `columns` frames of BANDS values. */
export function logMel(samples, rate, columns = 360) {
  const marks = edges(rate);
  const frames = [];
  const re = new Float32Array(FFT);
  const im = new Float32Array(FFT);
  for (let c = 0; c < columns; c++) {
    const centre = Math.round(((c + 0.5) / columns) * samples.length);
    for (let i = 0; i < FFT; i++) {
      const window = 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / FFT);
      re[i] = (samples[centre - FFT / 2 + i] ?? 0) * window;
      im[i] = 0;
    }
    fft(re, im);
    const frame = new Float32Array(BANDS);
    for (let b = 0; b < BANDS; b++) {
      const [low, mid, high] = marks.slice(b, b + 3);
      let power = 0;
      for (let k = Math.floor(low); k <= Math.min(FFT / 2, Math.ceil(high)); k++) {
        const weight = k <= mid ? (k - low) / (mid - low) : (high - k) / (high - mid);
        if (weight > 0) power += weight * (re[k] ** 2 + im[k] ** 2);
      }
      frame[b] = Math.max(FLOOR, 10 * Math.log10(power / (FFT / 4) ** 2 + 1e-12));
    }
    frames.push(frame);
  }
  return frames;
}

/** A canvas, BANDS pixels high, with the spectrogram of an AudioBuffer. */
export function spectrogram(buffer) {
  const frames = logMel(buffer.getChannelData(0), buffer.sampleRate);
  const canvas = document.createElement("canvas");
  canvas.width = frames.length;
  canvas.height = BANDS;
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(canvas.width, BANDS);
  frames.forEach((frame, x) => {
    frame.forEach((level, b) => {
      const [r, g, blue] = colour((level - FLOOR) / (0 - FLOOR - 10));
      image.data.set([r, g, blue, 255], 4 * ((BANDS - 1 - b) * canvas.width + x));
    });
  });
  pen.putImageData(image, 0, 0);
  return canvas;
}

// The microphone as a WAV file, made in the browser.

const RATE = 44100;

/** A 16-bit mono WAV of samples in [-1, 1]. */
export function wavFile(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const words = (at, text) => [...text].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  words(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  words(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  words(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((x, i) => view.setInt16(44 + 2 * i, Math.max(-1, Math.min(1, x)) * 32767, true));
  return new Blob([view.buffer], { type: "audio/wav" });
}

/** Start to record; the answer stops, and gives the WAV. Throws where there is no microphone. */
export async function record() {
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  const recorder = new MediaRecorder(stream);
  const pieces = [];
  recorder.addEventListener("dataavailable", (event) => pieces.push(event.data));
  recorder.start();
  return async () => {
    await new Promise((done) => {
      recorder.addEventListener("stop", done);
      recorder.stop();
    });
    stream.getTracks().forEach((track) => track.stop());
    const bytes = await new Blob(pieces).arrayBuffer();
    const heard = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(bytes);
    const mono = new Float32Array(heard.length);
    for (let c = 0; c < heard.numberOfChannels; c++) {
      heard.getChannelData(c).forEach((x, i) => (mono[i] += x / heard.numberOfChannels));
    }
    return wavFile(mono, RATE);
  };
}

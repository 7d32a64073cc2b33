// Questions to the studio's server. Of those about one thing, one is under way and the newest waits.

const KEPT = 80; // sounds held in memory, 0.4 MB each

let session = "";
const sounds = new Map(); // question -> { buffer, lowered }, oldest first

export class Refused extends Error {}

async function call(method, path, { body, headers = {}, keepalive = false } = {}) {
  const answer = await fetch(path, {
    method, body, keepalive, headers: { "x-surco-session": session || "new", ...headers },
  });
  if (answer.ok) return answer;
  let words = `${answer.status}`;
  try {
    words = (await answer.json()).error ?? words;
  } catch {
    // no sentence came along
  }
  const refused = new Refused(words);
  refused.status = answer.status;
  throw refused;
}

/** What the server can do, and a session on it. */
export async function begin() {
  const facts = await (await call("GET", "api/facts")).json();
  session = (await (await call("POST", "api/session")).json()).id;
  addEventListener("pagehide", () => {
    call("DELETE", "api/session", { keepalive: true }).catch(() => {});
  });
  addEventListener("pageshow", (event) => event.persisted && location.reload());
  return facts;
}

/** Open a file: { songs, ask } where it is a project, { songs: [song] } otherwise. */
export async function open(name, blob) {
  const project = /\.studio$/i.test(name);
  const headers = { "x-surco-name": encodeURIComponent(name.slice(0, 90)) };
  const answer = await call("POST", project ? "api/projects" : "api/songs", { body: blob, headers });
  const found = await answer.json();
  return project ? found : { songs: [found] };
}

/** Open one of the songs that came with Surco. */
export async function openDemo(name) {
  return { songs: [await (await call("POST", `api/demo/${name}`)).json()] };
}

/** Ask for a new song: { id }, to look at how far it is, or to say that it is not wanted. */
export const makeSong = async (ask) => (await call("POST", "api/make", json(ask))).json();
export const madeSong = async (id) => (await call("GET", `api/make/${id}`)).json();
export const unmakeSong = (id) => call("DELETE", `api/make/${id}`);

/** The points of the map, and where a clip stands among them. */
export const map = async () => (await call("GET", "api/map")).json();
export const placeLine = () => line(asJson("place"));

/** A sound to hear once. */
export async function once(song, ask, decode) {
  const ready = atHand(song, ask);
  return (ready ?? await soundLine(decode, "once")({ song, ask })).buffer;
}

export const demo = async () => (await call("GET", "api/demo")).json();

export const remove = (song) => call("DELETE", `api/songs/${song}`);

const json = (body, slot) => ({
  body: JSON.stringify(body),
  headers: { "content-type": "application/json", ...(slot ? { "x-surco-slot": slot } : {}) },
});

export const answer = (path) => call("GET", path);
export const get = async (path) => (await call("GET", path)).json();
export const post = async (path) => (await call("POST", path)).json();

/** A line of questions: asks one at a time; of those that wait only the newest is asked, the others get null. */
export function line(ask) {
  let busy = false;
  let next = null;
  const pump = async () => {
    if (busy || !next) return;
    const { question, resolve, reject } = next;
    [busy, next] = [true, null];
    try {
      resolve(await ask(question));
    } catch (error) {
      if (error.status === 409) resolve(null);
      else reject(error);
    } finally {
      busy = false;
      pump();
    }
  };
  return (question) => new Promise((resolve, reject) => {
    next?.resolve(null);
    next = { question, resolve, reject };
    pump();
  });
}

/** A sound that is at hand, or undefined. */
export function atHand(song, ask) {
  const key = JSON.stringify([song, ask]);
  const found = sounds.get(key);
  if (found) {
    sounds.delete(key);
    sounds.set(key, found);
  }
  return found;
}

/** A question for sound; `decode` makes a buffer of a WAV's bytes. */
export const soundLine = (decode, slot) => line(async ({ song, ask }) => {
  const answer = await call("POST", `api/songs/${song}/sound`, json(ask, slot));
  const found = {
    buffer: decode(await answer.arrayBuffer()),
    lowered: Number(answer.headers.get("x-surco-lowered")),
  };
  sounds.set(JSON.stringify([song, ask]), found);
  if (sounds.size > KEPT) sounds.delete(sounds.keys().next().value);
  return found;
});

const asJson = (what) => async ({ song, ask }) =>
  (await call("POST", `api/songs/${song}/${what}`, json(ask, what))).json();

export const measuresLine = () => line(asJson("measures"));
export const vectorLine = () => line(asJson("vector"));

/** A file to keep: its name and its bytes. */
export async function file(song, ask) {
  const answer = await call("POST", `api/songs/${song}/file`, json(ask));
  const name = /filename\*=UTF-8''([^;]+)/.exec(answer.headers.get("content-disposition"))[1];
  return { name: decodeURIComponent(name), blob: await answer.blob() };
}

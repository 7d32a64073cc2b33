// What survives closing the page. Sandboxed frames refuse localStorage: then memory has to do.

const memory = new Map();

function disk() {
  try {
    localStorage.setItem("surco", "1");
    return localStorage;
  } catch {
    return null;
  }
}

const kept = disk();

/** Whether what is saved outlives the page. */
export const lasting = kept !== null;

export function load(key) {
  const text = kept ? kept.getItem(`surco:${key}`) : memory.get(key);
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

export function save(key, value) {
  const text = JSON.stringify(value);
  if (kept) kept.setItem(`surco:${key}`, text);
  else memory.set(key, text);
}

/** Offer a JSON file for download; true if the browser was asked to, false in a sandbox that forbids it. */
export function download(name, value) {
  const link = document.createElement("a");
  link.href = `data:application/json;charset=utf-8,${encodeURIComponent(JSON.stringify(value, null, 1))}`;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
}

// The view of a running stack: sweeps, their jobs, a job's log, cancel and retry.

import { teach } from "../page/texts.js";

teach({
  en: {
    "view.watch": "Jobs", "watch.sweep": "Sweep", "watch.all": "newest jobs", "watch.none": "No job has been handed in yet.", "watch.cancel": "Cancel", "watch.retry": "Run again",
    "watch.job": "Job", "watch.state": "State", "watch.progress": "Progress", "watch.left": "Left", "watch.about": "about {time}", "watch.log": "Log of {name}", "watch.result": "Result",
    "watch.mlflow": "in MLflow", "watch.caption": "Jobs of the sweep", "watch.close": "Close", "watch.files": "Files", "watch.hear": "Hear {name}", "watch.cost": "{time} of a core, {memory} MB at most", "watch.do": "Do",
    "state.waiting": "waiting", "state.queued": "queued", "state.running": "running", "state.done": "done", "state.dead": "dead", "state.cancelled": "cancelled", "state.skipped": "skipped",
  },
  es: {
    "view.watch": "Trabajos", "watch.sweep": "Barrido", "watch.all": "últimos trabajos", "watch.none": "Todavía no se ha entregado ningún trabajo.", "watch.cancel": "Cancelar", "watch.retry": "Repetir",
    "watch.job": "Trabajo", "watch.state": "Estado", "watch.progress": "Avance", "watch.left": "Falta", "watch.about": "unos {time}", "watch.log": "Registro de {name}", "watch.result": "Resultado",
    "watch.mlflow": "en MLflow", "watch.caption": "Trabajos del barrido", "watch.close": "Cerrar", "watch.files": "Archivos", "watch.hear": "Oír {name}", "watch.cost": "{time} de un núcleo, {memory} MB como mucho", "watch.do": "Hacer",
    "state.waiting": "en espera", "state.queued": "en cola", "state.running": "en marcha", "state.done": "hecho", "state.dead": "muerto", "state.cancelled": "cancelado", "state.skipped": "saltado",
  },
});

const EVERY = 2000; // ms between two looks, while the view is open
const clock = (s) => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;

/** Add the view to the page; `page` is what the studio lends to its extensions. */
export async function extend({ make, text, figure, complain, server, view, audition }) {
  const place = view("watch");
  let sweep = null;
  let open = null; // id of the job whose log is shown
  let readOnly = true;
  let timer = 0;
  const select = make("select", { id: "sweep", onchange: () => { sweep = select.value; look(); } });
  const label = make("label", { for: "sweep" });
  const link = make("a", { target: "_blank", rel: "noreferrer" });
  const table = make("div", { class: "wide", tabindex: 0, role: "region" });
  const log = make("div", { class: "log" });
  place.element.append(make("div", { class: "row" }, label, select, link), table, log);

  async function look() {
    clearTimeout(timer);
    if (place.element.hidden) return;
    try {
      const told = await server.get("api/watch/sweeps");
      readOnly = told.read_only;
      sweep ??= told.sweeps[0]?.id ?? "-";
      label.textContent = text("watch.sweep");
      if (document.activeElement !== select) {
        select.replaceChildren(...[...told.sweeps, { id: "-", name: text("watch.all"), states: {} }].map(({ id, name, states }) => {
          const counts = Object.entries(states).map(([state, n]) => `${n} ${text(`state.${state}`)}`).join(", ");
          return make("option", { value: id, selected: id === sweep }, counts ? `${name}: ${counts}` : name);
        }));
      }
      const { jobs, mlflow } = await server.get(`api/watch/sweeps/${encodeURIComponent(sweep)}`);
      link.hidden = !mlflow;
      if (mlflow) link.href = mlflow;
      link.textContent = text("watch.mlflow");
      draw(jobs);
      if (open) await show(open);
    } catch (error) {
      complain(error);
    }
    timer = setTimeout(look, EVERY);
  }

  function draw(jobs) {
    const focus = document.activeElement?.dataset?.job;
    table.setAttribute("aria-label", text("watch.caption"));
    if (!jobs.length) return table.replaceChildren(text("watch.none"));
    const heads = ["job", "state", "progress", "left", "do"].map((name) => make("th", { scope: "col" }, text(`watch.${name}`)));
    table.replaceChildren(make("table", { class: "plain jobs" }, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...jobs.map(row))));
    if (focus) table.querySelector(`[data-job="${CSS.escape(focus)}"]`)?.focus();
  }

  function row(job) {
    const name = `${job.kind} ${job.label}`.trim();
    const ended = !["waiting", "queued", "running"].includes(job.state);
    const act = ended ? "retry" : "cancel";
    const can = !readOnly && job.state !== "done";
    return make("tr", { class: `state-${job.state}` },
      make("th", { scope: "row" }, make("button", { type: "button", "data-job": job.id, "aria-expanded": String(open === job.id), onclick: () => show(open === job.id ? null : job.id) }, name)),
      make("td", {}, text(`state.${job.state}`), job.reason ? make("small", {}, ` ${job.reason.split("\n")[0].slice(0, 140)}`) : null),
      make("td", {}, job.state === "running" ? make("progress", { max: 1, value: job.share, "aria-label": name }) : job.seconds ? clock(job.seconds) : "", job.note ? make("small", {}, ` ${job.note}`) : null),
      make("td", {}, job.left === null ? "" : text("watch.about", { time: clock(job.left) })),
      make("td", {}, can ? make("button", { type: "button", "aria-label": `${text(`watch.${act}`)} ${name}`, onclick: () => change(job.id, act) }, text(`watch.${act}`)) : null));
  }

  async function change(id, act) {
    try {
      await server.post(`api/watch/jobs/${id}/${act}`);
    } catch (error) {
      complain(error);
    }
    look();
  }

  async function show(id) {
    open = id;
    if (log.dataset.of !== String(id)) log.dataset.key = "";
    log.dataset.of = String(id);
    if (!id) return log.replaceChildren();
    const job = await server.get(`api/watch/jobs/${id}`);
    if (open !== id) return undefined;
    const result = Object.keys(job.result).length ? JSON.stringify(job.result, null, 1) : "";
    const cost = job.cost.cpu ? text("watch.cost", { time: clock(job.cost.cpu), memory: figure(job.cost.memory / 1e6, 0) }) : "";
    const key = JSON.stringify([job.state, job.log.length, job.log.at(-1), result]);
    if (log.dataset.key === key) return undefined; // nothing new: what is focused stays
    log.dataset.key = key;
    return log.replaceChildren(
      make("div", { class: "row" }, make("h2", {}, text("watch.log", { name: `${job.kind} ${job.label}` })), make("button", { type: "button", onclick: () => show(null) }, text("watch.close"))),
      ...(cost ? [make("p", { class: "hint" }, cost)] : []),
      make("pre", { tabindex: 0 }, job.log.join("\n")),
      ...(result ? [make("h3", {}, text("watch.result")), make("pre", { tabindex: 0 }, result)] : []),
      ...(job.files.length ? [make("h3", {}, text("watch.files")), make("ul", { class: "files" }, ...job.files.map((name) => file(id, name)))] : []));
  }

  /** A file that a job left: to keep, and to hear where it is sound. */
  function file(id, name) {
    const address = `api/watch/jobs/${id}/files/${name.split("/").map(encodeURIComponent).join("/")}`;
    const short = name.split("/").at(-1);
    const sound = /\.(wav|flac|mp3)$/.test(name);
    return make("li", {},
      sound ? make("button", { type: "button", "aria-label": text("watch.hear", { name: short }), onclick: () => hear(address, short).catch(complain) }, "▶") : null,
      make("a", { href: address, download: short }, short));
  }

  async function hear(address, name) {
    const bytes = await (await server.answer(address)).arrayBuffer();
    audition(await new OfflineAudioContext(1, 1, 22050).decodeAudioData(bytes), name);
  }

  place.shown(look);
  place.words(() => {
    log.dataset.key = "";
    look();
  });
}

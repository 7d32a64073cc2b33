// Every word of the page, in both languages.

const TEXTS = {
  en: {
    "other": "Español", "theme": "Light / dark", "loop": "loop", "seek": "position in the clip",
    "play": "Play", "pause": "Pause", "idle": "Choose a sound",
    "tab.listen": "Listen", "tab.blind": "Blind test", "tab.songs": "Songs", "tab.map": "Map",
    "songs.how": "Songs that were composed or drawn, and songs made by editing or remixing real clips, which say of which. The button plays one; arrows move, space plays or pauses.",
    "songs.none": "This sweep has no songs: submit generate.", "songs.steps": "{n} steps, one after the other", "songs.picture": "{name}: waveform and spectrogram, with its parts and beats",
    "compared.how": "Edits of one song, each judged on test tracks, beside the song as it is decoded and the baseline. Another button goes on at the same instant.",
    "compared.unedited": "unedited", "compared.edited": "edited", "compared.answer": "does it do what was asked: {answer}",
    "baseline.filter, encoded": "filter, encoded", "baseline.waves, encoded": "mixture, encoded", "baseline.librosa": "phase vocoder",
    "answer.yes": "yes", "answer.no": "no", "answer.partly": "partly", "answer.no better than mixing": "no better than mixing", "answer.too few": "too few tracks to say",
    "unit.times": "× {n}", "unit.dB": "{n} dB", "unit.s": "{n} s", "unit.semitones": "{n} semitones", "unit.share of the way": "{n} of the way", "unit.standard deviations": "{n} standard deviations",
    "recipe.prior": "drawn by the network", "recipe.sampled": "drawn by the network", "recipe.drawn": "drawn by the network", "recipe.flow": "drawn by the network", "recipe.bars": "composed of bars", "recipe.remix": "remix of real clips", "recipe.gaussian": "drawn from a Gaussian of its style",
    "recipe.interpolate": "from one song to another", "recipe.average": "average of a style", "recipe.path": "path through several songs", "recipe.arithmetic": "one style's mean for another's",
    "recipe.probe": "towards a style, by a probe", "recipe.attribute": "more of an attribute", "recipe.noise": "noise around a song", "recipe.swap": "coarse part of one, fine part of another",
    "recipe.harmony": "harmony of another song", "recipe.extrapolate": "beyond another song", "recipe.amounts": "edited by amounts",
    "measure.Zimtohrli": "Zimtohrli, a model of a listener (5 sounds the same, 1 nothing alike)",
    "original": "original", "ceiling": "ceiling", "anchor": "anchor", "reference": "reference",
    "numbers": "{n} dimensions", "clip": "clip",
    "listen.how": "Click to play; another column goes on at the same instant. Keys 1–9 choose the column, arrows move, space plays or pauses. Small figures: {measure}.",
    "listen.help.ceiling": "the true spectrogram through the vocoder: the best any size can reach",
    "blind.how": "You will hear {n} clips. In each, one of the unlabelled sounds is the reference itself and one is the reference without its treble; give every sound a mark from 0 to 100 for how close it is to the reference, and 100 to the one that you take for the reference itself. Order and letters are shuffled. Keys: R plays the reference, 1–9 and 0 the sounds, ← → change the mark by 5, Enter goes on.",
    "blind.name": "Your name or a pseudonym", "blind.count": "Clips to judge", "blind.start": "Start", "blind.resume": "Go on at clip {n}", "blind.again": "Start anew",
    "blind.trial": "Clip {i} of {n}", "blind.reference": "Reference", "blind.sound": "Sound {letter}", "blind.mark": "Mark of sound {letter}",
    "blind.next": "Next clip", "blind.finish": "Finish", "blind.unheard": "Listen to every sound and move every slider first: {letters}.",
    "blind.needs100": "One of the sounds is the reference itself: give at least one a mark of 100.",
    "blind.done": "Thank you. The results, for surco listen --score:", "blind.save": "Save the results", "blind.copy": "Copy", "blind.copied": "Copied",
    "blind.memory": "This page may not keep anything here: do not close it before the end.",
    "blind.scale": "Excellent|Good|Fair|Poor|Bad",
    "blind.measured": "What you heard", "blind.own": "your mean mark",
    "map.size": "Size", "map.colour": "Colour", "map.genre": "style", "map.cluster": "cluster", "map.layout": "Layout",
    "map.tsne": "neighbours (t-SNE)", "map.pca": "variance (PCA)",
    "map.how": "One point is one clip; click to hear it. Arrows move to the next point, Enter plays it. Stars are generated songs, lines are edits.",
    "map.silent": "no sound of its own here: playing its nearest neighbour, {name}",
    "map.generated": "generated songs", "map.edits": "edits", "map.none": "This sweep holds no vectors to draw: submit embed and cluster.",
    "map.label": "map of vectors, {n} points", "map.noedits": "no edits at this size", "map.noSongs": "no songs at this size", "map.playPath": "Play the path",
    "listen.none": "This sweep holds no listening set: submit evaluate.", "map.noise": "none", "blind.few": "A blind test needs at least one clip with original and decoded sound.",
  },
  es: {
    "other": "English", "theme": "Claro / oscuro", "loop": "bucle", "seek": "posición en el fragmento",
    "play": "Reproducir", "pause": "Pausa", "idle": "Elige un sonido",
    "tab.listen": "Escuchar", "tab.blind": "Prueba a ciegas", "tab.songs": "Canciones", "tab.map": "Mapa",
    "songs.how": "Canciones compuestas o sorteadas, y canciones hechas editando o remezclando fragmentos reales, que dicen de cuáles. El botón reproduce una; las flechas se mueven, espacio reproduce o pausa.",
    "songs.none": "Este barrido no tiene canciones: lanza generate.", "songs.steps": "{n} pasos, uno tras otro", "songs.picture": "{name}: forma de onda y espectrograma, con sus partes y tiempos",
    "compared.how": "Ediciones de una canción, cada una juzgada en pistas de prueba, junto a la canción decodificada y la referencia de comparación. Otro botón sigue en el mismo instante.",
    "compared.unedited": "sin editar", "compared.edited": "editada", "compared.answer": "¿hace lo que se pidió?: {answer}",
    "baseline.filter, encoded": "filtro, codificado", "baseline.waves, encoded": "mezcla, codificada", "baseline.librosa": "vocoder de fase",
    "answer.yes": "sí", "answer.no": "no", "answer.partly": "en parte", "answer.no better than mixing": "no mejor que mezclar", "answer.too few": "muy pocas pistas para decirlo",
    "unit.times": "× {n}", "unit.dB": "{n} dB", "unit.s": "{n} s", "unit.semitones": "{n} semitonos", "unit.share of the way": "{n} del camino", "unit.standard deviations": "{n} desviaciones típicas",
    "recipe.prior": "sorteada por la red", "recipe.sampled": "sorteada por la red", "recipe.drawn": "sorteada por la red", "recipe.flow": "sorteada por la red", "recipe.bars": "compuesta de compases", "recipe.remix": "remezcla de fragmentos reales", "recipe.gaussian": "sorteada de una gaussiana de su estilo",
    "recipe.interpolate": "de una canción a otra", "recipe.average": "promedio de un estilo", "recipe.path": "camino por varias canciones", "recipe.arithmetic": "la media de un estilo por la de otro",
    "recipe.probe": "hacia un estilo, con una sonda", "recipe.attribute": "más de un atributo", "recipe.noise": "ruido alrededor de una canción", "recipe.swap": "parte gruesa de una, parte fina de otra",
    "recipe.harmony": "armonía de otra canción", "recipe.extrapolate": "más allá de otra canción", "recipe.amounts": "editada por cantidades",
    "measure.Zimtohrli": "Zimtohrli, un modelo de oyente (5 suena igual, 1 en nada se parece)",
    "original": "original", "ceiling": "techo", "anchor": "ancla", "reference": "referencia",
    "numbers": "{n} dimensiones", "clip": "fragmento",
    "listen.how": "Un clic reproduce; otra columna sigue en el mismo instante. Las teclas 1–9 eligen la columna, las flechas se mueven, espacio reproduce o pausa. Cifras pequeñas: {measure}.",
    "listen.help.ceiling": "el espectrograma verdadero a través del vocoder: lo mejor que puede dar cualquier tamaño",
    "blind.how": "Vas a oír {n} fragmentos. En cada uno, uno de los sonidos sin nombre es la propia referencia y otro es la referencia sin agudos; pon a cada sonido una nota de 0 a 100 según lo cerca que esté de la referencia, y 100 al que tomes por la referencia misma. El orden y las letras están barajados. Teclas: R reproduce la referencia, 1–9 y 0 los sonidos, ← → cambian la nota de 5 en 5, Intro continúa.",
    "blind.name": "Tu nombre o un seudónimo", "blind.count": "Fragmentos que juzgar", "blind.start": "Empezar", "blind.resume": "Seguir en el fragmento {n}", "blind.again": "Empezar de nuevo",
    "blind.trial": "Fragmento {i} de {n}", "blind.reference": "Referencia", "blind.sound": "Sonido {letter}", "blind.mark": "Nota del sonido {letter}",
    "blind.next": "Siguiente", "blind.finish": "Terminar", "blind.unheard": "Antes escucha todos los sonidos y mueve todos los controles: {letters}.",
    "blind.needs100": "Uno de los sonidos es la propia referencia: pon un 100 al menos a uno.",
    "blind.done": "Gracias. Los resultados, para surco listen --score:", "blind.save": "Guardar los resultados", "blind.copy": "Copiar", "blind.copied": "Copiado",
    "blind.memory": "Aquí la página no puede guardar nada: no la cierres antes del final.",
    "blind.scale": "Excelente|Bueno|Regular|Pobre|Malo",
    "blind.measured": "Lo que has oído", "blind.own": "tu nota media",
    "map.size": "Tamaño", "map.colour": "Color", "map.genre": "estilo", "map.cluster": "grupo", "map.layout": "Disposición",
    "map.tsne": "vecinos (t-SNE)", "map.pca": "varianza (PCA)",
    "map.how": "Cada punto es un fragmento; un clic lo reproduce. Las flechas pasan al punto siguiente, Intro lo reproduce. Las estrellas son canciones generadas; las líneas, ediciones.",
    "map.silent": "aquí no tiene sonido propio: suena su vecino más cercano, {name}",
    "map.generated": "canciones generadas", "map.edits": "ediciones", "map.none": "Este barrido no tiene vectores que dibujar: lanza embed y cluster.",
    "map.label": "mapa de vectores, {n} puntos", "map.noedits": "sin ediciones a este tamaño", "map.noSongs": "sin canciones a este tamaño", "map.playPath": "Reproducir el camino",
    "listen.none": "Este barrido no tiene conjunto de escucha: lanza evaluate.", "map.noise": "ninguno", "blind.few": "La prueba a ciegas necesita al menos un fragmento con sonido original y decodificado.",
  },
};

// A style that is not here keeps its name.
const STYLES = {};
STYLES.en = { hiphop: "hip hop" };
STYLES.es = {
  electronic: "electrónica", orchestral: "orquestal", classical: "clásica", hiphop: "hip hop", voice: "voz",
  speech: "voz hablada",
};

// Edits that a study judges, in Spanish; in English they keep their names.
const EDITS = {
  pitch: "altura", speed: "velocidad", gain: "ganancia", brightness: "brillo", bass: "graves", mids: "medios",
  presence: "presencia", treble: "agudos", "fade out": "fundido final", tremolo: "trémolo", ducking: "compresión al pulso", dynamics: "dinámica",
  "timbre of another": "timbre de otra", "rhythm of another": "ritmo de otra", "harmony of another": "armonía de otra", "style by parts": "estilo por partes", "between, aligned": "entre dos, alineadas", "tempo by a direction": "tempo por una dirección",
  "brightness by a direction": "brillo por una dirección", "onset density by a direction": "ataques por una dirección",
};

let language = "en";

/** Add words: texts by key, by language. */
export function teach(words) {
  for (const [code, texts] of Object.entries(words)) Object.assign(TEXTS[code], texts);
}

/** The first language that a reader prefers and the page speaks: es-AR is Spanish. */
export function preferred(languages) {
  return languages?.map((code) => code.toLowerCase().split("-")[0]).find((code) => code in TEXTS);
}

/** A style in the language of the page. */
export const style = (name) => STYLES[language][name] ?? name;

/** An edit in the language of the page. */
export const editName = (name) => (language === "es" && EDITS[name]) || name;

export function speak(code) {
  language = code in TEXTS ? code : "en";
  document.documentElement.lang = language;
}

// Keys are told as "A minor" or "F# major"; Spanish names the notes after their syllables.
const NOTES = { C: "do", D: "re", E: "mi", F: "fa", G: "sol", A: "la", B: "si" };
const SIGNS = { "#": " sostenido", b: " bemol" };
const MODES = { minor: "menor", major: "mayor" };

/** A key in the language of the page. */
export function musicalKey(key) {
  const found = language === "es" && /^([A-G])([#b]?) (minor|major)$/.exec(key);
  return found ? `${NOTES[found[1]]}${SIGNS[found[2]] ?? ""} ${MODES[found[3]]}` : key;
}

export const spoken = () => language;

/** The text of a key in the language of the page, its {names} filled in; `otherwise` where it has none. */
export function text(key, values = {}, otherwise = key) {
  return (TEXTS[language][key] ?? otherwise).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** The number in the page's own writing. */
export function figure(value, digits) {
  return Number.isFinite(value)
    ? value.toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits })
    : "–";
}

// Which URLs are stored, or are being stored: known without wasm and at once, because whether a request is answered has to be
// said before anything can be looked up.

/** Phases in which bytes of a download are there, or may be there by the time they are asked for. */
const HELD = new Set(["requested", "transferring", "available"]);

/** What a request's query must have. A recorded parameter without a value was blanked: it stands for any value. */
function fits(recorded, query) {
  if (recorded.length !== query.length) return false;
  return recorded.every((pair, n) => pair === query[n] || (pair.endsWith("=") && pair.slice(0, -1) === query[n].split("=")[0]));
}

const split = (url) => {
  const [path, ...rest] = url.split("#")[0].split("?");
  const query = rest.join("?");
  return { path, query: query === "" ? [] : query.split("&") };
};

/** The URLs of one name's downloads. */
export class UrlIndex {
  #database;
  /** By download: its URLs. */
  #downloads = new Map();
  /** By path: how many URLs of which download have it. Undefined until it was read for the first time. */
  #paths;
  #reading;
  #wanted = new Set();

  constructor(name) {
    this.#database = name;
  }

  /** Whether a URL is held. False as long as that is not known. */
  has(url) {
    if (!this.#paths) return false;
    const { path, query } = split(url);
    return this.#paths.get(path)?.some((recorded) => fits(recorded, query)) ?? false;
  }

  /** Reads again: one download, or all. Several calls at a time are one reading more. */
  read(download) {
    this.#wanted.add(download);
    this.#reading ??= this.#readWanted().finally(() => (this.#reading = undefined));
    return this.#reading;
  }

  async #readWanted() {
    while (this.#wanted.size > 0) {
      const wanted = [...this.#wanted];
      this.#wanted.clear();
      // Until everything was read once, nothing less will do.
      const all = wanted.includes(undefined) || !this.#paths;
      let heads;
      try {
        heads = await readHeads(this.#database, all ? undefined : wanted);
      } catch (thrown) {
        // They are read with the next ones.
        for (const id of wanted) this.#wanted.add(id);
        throw thrown;
      }
      if (all) this.#downloads.clear();
      for (const [id, state] of heads) this.#downloads.set(id, urlsOf(state));
      const paths = new Map();
      for (const urls of this.#downloads.values()) {
        for (const url of urls) {
          const { path, query } = split(url);
          const others = paths.get(path);
          if (others) others.push(query);
          else paths.set(path, [query]);
        }
      }
      this.#paths = paths;
    }
  }
}

function urlsOf(text) {
  try {
    const { state, spec, degraded } = JSON.parse(text);
    return HELD.has(state.phase) && !degraded ? spec.resources.map(({ url }) => String(url)) : [];
  } catch {
    // Gone, or not to be understood: nothing is claimed for it.
    return [];
  }
}

/** The heads of these downloads, or of all, as pairs of id and text. Where there is no database, none is made. */
function readHeads(database, ids) {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(database);
    opening.onupgradeneeded = () => opening.transaction.abort();
    opening.onerror = () => (opening.error?.name === "AbortError" ? resolve([]) : reject(opening.error));
    opening.onsuccess = () => {
      const db = opening.result;
      const close = (settle) => {
        db.close();
        settle();
      };
      db.onversionchange = () => db.close();
      if (!db.objectStoreNames.contains("heads")) return close(() => resolve([]));
      const found = [];
      const transaction = db.transaction("heads");
      const store = transaction.objectStore("heads");
      if (ids) {
        for (const id of ids) store.get(id).onsuccess = ({ target }) => found.push([id, target.result?.state]);
      } else {
        const walking = store.openCursor();
        walking.onsuccess = () => {
          const cursor = walking.result;
          if (!cursor) return;
          found.push([cursor.key, cursor.value?.state]);
          cursor.continue();
        };
      }
      transaction.oncomplete = () => close(() => resolve(found));
      transaction.onabort = () => close(() => reject(transaction.error));
    };
  });
}

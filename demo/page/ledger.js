// The page's copy of the history: every entry the package handed out, in the order in which it can be
// trusted (by `seq` within a download), kept complete while entries arrive live.

/** The event types after which nothing more comes by itself. */
const CLOSINGS = new Set(["cached-hit", "success", "failure", "aborted", "evicted"]);

/**
 * Mirrors the history of a `Longhaul`. Events: "added" (CustomEvent of the new entries, oldest first) and
 * "reset" (what was known is void; read `all()` again).
 */
export class Ledger extends EventTarget {
  #longhaul;
  #byDownload = new Map();
  #reading = new Map();

  constructor(longhaul) {
    super();
    this.#longhaul = longhaul;
    longhaul.addEventListener("entry", (event) => this.#take(event.detail));
  }

  /** Reads the whole history anew. */
  async load() {
    const entries = await this.#longhaul.history();
    this.#byDownload = groupByDownload(entries);
    this.dispatchEvent(new CustomEvent("reset"));
  }

  /** All entries, oldest first. */
  all() {
    return chronological([...this.#byDownload.values()].flat());
  }

  /** How many entries there are. */
  get size() {
    let size = 0;
    for (const entries of this.#byDownload.values()) size += entries.length;
    return size;
  }

  /** One download's entries by `seq`. */
  of(id) {
    return this.#byDownload.get(id) ?? [];
  }

  /** The event that closed the newest attempt of a download, or undefined while it runs. */
  closing(id) {
    return closingOf(this.of(id));
  }

  #take(entry) {
    const known = this.#byDownload.get(entry.download) ?? [];
    const last = known.at(-1)?.seq;
    if (last === undefined ? isFirst(entry) : entry.seq === last + 1) {
      known.push(entry);
      this.#byDownload.set(entry.download, known);
      this.dispatchEvent(new CustomEvent("added", { detail: [entry] }));
    } else if (last === undefined || entry.seq > last || known.find(({ seq }) => seq === entry.seq)?.at !== entry.at) {
      // A gap (entries another context wrote before this page listened) or a history that began anew.
      this.#readAgain(entry.download);
    }
  }

  /** Reads one download's history again; calls that come meanwhile share one further read. */
  #readAgain(id) {
    if (this.#reading.has(id)) {
      this.#reading.set(id, true);
      return;
    }
    this.#reading.set(id, false);
    this.#longhaul
      .history({ id })
      .then((entries) => {
        if (entries.length > 0) this.#byDownload.set(id, [...groupByDownload(entries).get(id)]);
        else this.#byDownload.delete(id);
        this.dispatchEvent(new CustomEvent("reset"));
      })
      .catch((error) => console.warn("longhaul demo: reading the history again failed", error))
      .finally(() => {
        const again = this.#reading.get(id);
        this.#reading.delete(id);
        if (again) this.#readAgain(id);
      });
  }
}

/** Sequence numbers count from 1 (or 0): anything else as the first entry means that some are missing. */
const isFirst = (entry) => entry.seq <= 1;

/** Entries grouped by download, each group ordered by `seq`. */
export function groupByDownload(entries) {
  const groups = new Map();
  for (const entry of entries) {
    const group = groups.get(entry.download);
    if (group) group.push(entry);
    else groups.set(entry.download, [entry]);
  }
  for (const group of groups.values()) group.sort((a, b) => a.seq - b.seq);
  return groups;
}

/**
 * Entries of several downloads, oldest first. Within a download `seq` decides even where the clock went
 * back, so an entry's time counts as at least that of the one before it.
 */
export function chronological(entries) {
  const keyed = [];
  for (const group of groupByDownload(entries).values()) {
    let latest = -Infinity;
    for (const entry of group) {
      latest = Math.max(latest, entry.at);
      keyed.push({ at: latest, entry });
    }
  }
  keyed.sort((a, b) => a.at - b.at);
  return keyed.map(({ entry }) => entry);
}

/** The event that closed the newest attempt in one download's entries (by `seq`), if it is over. */
export function closingOf(entries) {
  for (let index = entries.length - 1; index >= 0; index -= 1) {
    const { event } = entries[index];
    if (CLOSINGS.has(event?.type)) return event;
    if (event?.type === "requested") return undefined;
  }
  return undefined;
}

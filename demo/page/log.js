// The event log viewer: entries newest first, filtered, opened, exported, imported. The table holds a capped
// number of rows however long the history is; live entries are put on top without rebuilding it.

import { announce, errorText, h, setText } from "./dom.js";
import { clock, count, moment } from "./format.js";
import { chronological, groupByDownload } from "./ledger.js";
import { EVENT_TYPES, originWords, summarize, typeOf } from "./summary.js";

/** How many rows are shown at first, and how many more on each request. */
const PAGE = matchMedia("(max-width: 40rem)").matches ? 40 : 200;

/** The viewer over a live `Ledger`, or over an imported history. Expects the markup of `index.html`. */
export class LogView {
  #longhaul;
  #ledger;
  #details;
  /** @type {{ name: string, entries: object[], skipped: number } | undefined} */
  #imported;
  #shown = []; // entries that pass the filters, oldest first
  #limit = PAGE;
  #scheduled = false;
  #fresh = [];
  #entryOfRow = new WeakMap();
  #parts;

  constructor(root, longhaul, ledger, details) {
    this.#longhaul = longhaul;
    this.#ledger = ledger;
    this.#details = details;
    const part = (name) => root.querySelector(`#log-${name}`);
    this.#parts = Object.fromEntries(
      ["download", "type", "export", "import", "file", "body", "count", "empty", "more", "banner", "banner-text", "live"].map(
        (name) => [name, part(name)],
      ),
    );
    const { download, type, body, more, live, file } = this.#parts;
    type.append(...EVENT_TYPES.map((name) => h("option", { value: name }, name)));
    for (const filter of [download, type]) filter.addEventListener("change", () => this.#refilter());
    more.addEventListener("click", () => this.#showMore());
    live.addEventListener("click", () => this.#show(undefined));
    body.addEventListener("click", (event) => this.#open(event.target.closest("tr")));
    body.addEventListener("keydown", (event) => this.#key(event));
    this.#parts.export.addEventListener("click", () => this.#export());
    this.#parts.import.addEventListener("click", () => file.click());
    file.addEventListener("change", () => this.#import(file.files[0]));
    this.#parts.import.disabled = false;
    ledger.addEventListener("reset", () => this.#imported ?? this.#rebuild());
    ledger.addEventListener("added", (event) => this.#imported ?? this.#append(event.detail));
    this.#rebuild();
  }

  /** The entries under view, of one download, by `seq`. */
  entriesOf(id) {
    return this.#imported ? (groupByDownload(this.#imported.entries).get(id) ?? []) : this.#ledger.of(id);
  }

  #all() {
    return this.#imported ? chronological(this.#imported.entries) : this.#ledger.all();
  }

  #passes(entry) {
    const { download, type } = this.#parts;
    return (download.value === "" || entry.download === download.value.slice(1)) && (type.value === "" || entry.event?.type === type.value);
  }

  #show(imported) {
    this.#imported = imported;
    const { banner, "banner-text": text } = this.#parts;
    banner.hidden = imported === undefined;
    this.#parts.export.disabled = imported !== undefined;
    if (imported) {
      const skipped = imported.skipped > 0 ? `, ${count(imported.skipped, "line", "lines")} skipped as unreadable` : "";
      setText(text, `Viewing the imported file ${imported.name}: ${count(imported.entries.length, "entry", "entries")}${skipped}. Nothing of it was stored or started.`);
      announce(text.textContent);
    }
    this.#rebuild();
  }

  #refilter() {
    this.#limit = PAGE;
    this.#rebuild();
  }

  #rebuild() {
    const entries = this.#all();
    this.#fresh = [];
    this.#offerDownloads(entries);
    this.#offerTypes(entries);
    this.#shown = entries.filter((entry) => this.#passes(entry));
    const rows = this.#shown.slice(-this.#limit).reverse().map((entry) => this.#row(entry));
    this.#parts.body.replaceChildren(...rows);
    this.#finish();
  }

  #append(entries) {
    this.#fresh.push(...entries);
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      this.#drawFresh();
    });
  }

  #drawFresh() {
    if (this.#fresh.length === 0) return;
    const fresh = this.#fresh;
    this.#fresh = [];
    this.#offerDownloads(fresh, true);
    this.#offerTypes(fresh);
    const passing = fresh.filter((entry) => this.#passes(entry));
    this.#shown.push(...passing);
    const rows = passing.slice(-this.#limit).reverse().map((entry) => {
      const row = this.#row(entry);
      row.classList.add("fresh");
      return row;
    });
    const { body } = this.#parts;
    body.prepend(...rows);
    while (body.rows.length > this.#limit) body.rows[body.rows.length - 1].remove();
    this.#finish();
  }

  #showMore() {
    const { body } = this.#parts;
    const drawn = body.rows.length;
    this.#limit += PAGE;
    const end = this.#shown.length - drawn;
    const rows = this.#shown.slice(Math.max(0, end - PAGE), end).reverse().map((entry) => this.#row(entry));
    body.append(...rows);
    this.#finish();
    rows[0]?.focus();
  }

  #finish() {
    const { body, count: label, empty, more, download, type } = this.#parts;
    const total = this.#imported ? this.#imported.entries.length : this.#ledger.size;
    const drawn = body.rows.length;
    const filtered = this.#shown.length !== total;
    setText(label, filtered ? `${this.#shown.length} of ${count(total, "entry", "entries")}` : count(total, "entry", "entries"));
    empty.hidden = drawn > 0;
    setText(
      empty,
      total > 0
        ? "No entry passes these filters."
        : this.#imported
          ? "The imported file holds no readable entry."
          : "Nothing has happened yet. Every step of a download is written here before it is taken, and stays after a reload.",
    );
    const left = this.#shown.length - drawn;
    more.hidden = left <= 0;
    setText(more, `Show ${Math.min(PAGE, left)} more (${left} older)`);
    // One tab stop for the whole table: the arrow keys do the rest.
    if (drawn > 0 && !body.querySelector('tr[tabindex="0"]')) body.rows[0].tabIndex = 0;
    download.disabled = type.disabled = total === 0;
    if (!this.#imported) this.#parts.export.disabled = total === 0;
  }

  /** Option values carry a prefix, so that a download whose id is empty or odd cannot mean "all". */
  #offerDownloads(entries, keep = false) {
    const { download } = this.#parts;
    const chosen = download.value;
    if (!keep) download.replaceChildren(h("option", { value: "" }, "all downloads"));
    const known = new Set([...download.options].map((option) => option.value));
    for (const { download: id } of entries) {
      if (known.has(`=${id}`)) continue;
      known.add(`=${id}`);
      download.append(h("option", { value: `=${id}` }, id));
    }
    download.value = known.has(chosen) ? chosen : "";
  }

  #offerTypes(entries) {
    const { type } = this.#parts;
    const known = new Set([...type.options].map((option) => option.value));
    for (const { event } of entries) {
      if (typeof event?.type !== "string" || known.has(event.type)) continue;
      known.add(event.type);
      type.append(h("option", { value: event.type }, event.type));
    }
  }

  #row(entry) {
    const type = typeOf(entry.event);
    const row = h(
      "tr",
      { role: "row", tabindex: -1, "data-testid": "log-row", "data-download": entry.download, "data-seq": entry.seq, "data-type": type },
      h("td", { role: "gridcell", class: "c-time", title: moment(entry.at) }, clock(entry.at)),
      h("td", { role: "gridcell", class: "c-download" }, entry.download),
      h("td", { role: "gridcell", class: "c-seq" }, entry.seq),
      h("td", { role: "gridcell", class: "c-origin" }, originWords(entry.origin)),
      h("td", { role: "gridcell", class: "c-type" }, h("span", { class: "type" }, type)),
      h("td", { role: "gridcell", class: "c-summary" }, summarize(entry.event)),
    );
    this.#entryOfRow.set(row, entry);
    return row;
  }

  #open(row) {
    const entry = row && this.#entryOfRow.get(row);
    if (!entry) return;
    this.#moveTo(row);
    this.#details.open(entry, this.entriesOf(entry.download));
  }

  #moveTo(row) {
    for (const other of this.#parts.body.querySelectorAll('tr[tabindex="0"]')) other.tabIndex = -1;
    row.tabIndex = 0;
    row.focus();
  }

  #key(event) {
    const row = event.target.closest("tr");
    if (!row) return;
    const { rows } = this.#parts.body;
    const to = {
      ArrowDown: row.nextElementSibling,
      ArrowUp: row.previousElementSibling,
      Home: rows[0],
      End: rows[rows.length - 1],
    }[event.key];
    if (to) this.#moveTo(to);
    else if (event.key === "Enter" || event.key === " ") this.#open(row);
    else return;
    event.preventDefault();
  }

  async #export() {
    try {
      const blob = await this.#longhaul.exportHistory();
      const url = URL.createObjectURL(blob);
      h("a", { href: url, download: "longhaul-history.ndjson" }).click();
      // The browser reads the address when it starts the download, which is after this task.
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } catch (error) {
      this.#complain(`The history could not be exported: ${errorText(error)}`);
    }
  }

  async #import(file) {
    if (!file) return;
    this.#parts.file.value = "";
    try {
      const { entries, skipped } = await this.#longhaul.importHistory(file);
      this.#parts.download.value = this.#parts.type.value = "";
      this.#limit = PAGE;
      this.#show({ name: file.name, entries, skipped });
    } catch (error) {
      this.#complain(`${file.name} could not be imported: ${errorText(error)}`);
    }
  }

  #complain(sentence) {
    const { banner, "banner-text": text } = this.#parts;
    banner.hidden = false;
    setText(text, sentence);
    announce(sentence);
  }
}

// The details of one entry: what is stored, and the state that the history folds to just after it.

import { stateAt } from "/longhaul/index.js";
import { errorText, h, setText } from "./dom.js";
import { moment } from "./format.js";
import { originWords, summarize, typeOf } from "./summary.js";

/** The dialog of `index.html`, opened on an entry, stepping through its download's history. */
export class Details {
  #dialog;
  #entries = [];
  #index = 0;
  #parts;

  constructor(dialog) {
    this.#dialog = dialog;
    this.#parts = Object.fromEntries(
      ["title", "summary", "facts", "entry", "state", "older", "newer", "close"].map((name) => [name, dialog.querySelector(`#details-${name}`)]),
    );
    const { older, newer, close } = this.#parts;
    older.addEventListener("click", () => this.#step(-1));
    newer.addEventListener("click", () => this.#step(1));
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft") this.#step(-1);
      else if (event.key === "ArrowRight") this.#step(1);
    });
  }

  /** Opens on `entry`; `entries` is the whole history of its download, by `seq`. */
  open(entry, entries) {
    this.#entries = [...entries];
    this.#index = Math.max(0, entries.findIndex(({ seq }) => seq === entry.seq));
    this.#show();
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  #step(by) {
    const index = this.#index + by;
    if (!this.#entries[index]) return;
    this.#index = index;
    const focused = document.activeElement;
    this.#show();
    // The last step disables the button that made it; the arrow keys need the focus to stay in here.
    if (focused?.disabled) this.#parts.close.focus();
  }

  async #show() {
    const { title, summary, facts, entry: json, state, older, newer } = this.#parts;
    const entry = this.#entries[this.#index];
    setText(title, `${entry.download} · ${entry.seq} · ${typeOf(entry.event)}`);
    setText(summary, summarize(entry.event));
    facts.replaceChildren(
      ...[
        ["Time", moment(entry.at)],
        ["Written by", originWords(entry.origin)],
        ["Entry", `${this.#index + 1} of ${this.#entries.length}`],
        ["Version", entry.version],
      ].map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
    );
    older.disabled = this.#index === 0;
    newer.disabled = this.#index === this.#entries.length - 1;
    setText(json, JSON.stringify(entry, null, 2));
    let text;
    try {
      const snapshot = await stateAt(this.#entries, entry.seq);
      text = snapshot === undefined ? "No state: nothing was asked for up to here." : JSON.stringify(snapshot, null, 2);
    } catch (error) {
      text = `These entries cannot be folded: ${errorText(error)}`;
    }
    // A quicker step may have moved on while the fold was awaited.
    if (this.#entries[this.#index] === entry) setText(state, text);
  }
}

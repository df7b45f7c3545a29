// A card per download: what it is, how far it is, why it waits or failed, and what can be done about it.

import { announce, errorText, h, setAttribute, setText } from "./dom.js";
import { bytes, countdown, duration, exactBytes, percent, rate, UNKNOWN } from "./format.js";
import { allowedActions, describePhase, endWords, failureWords, isRunning, transportWords, waitingWords } from "./phase.js";
import { SpeedEstimator, timeLeft } from "./speed.js";

const ACTIONS = [
  ["download", "Download"],
  ["abort", "Abort"],
  ["retry", "Retry"],
  ["remove", "Remove"],
  ["forget", "Forget"],
];

const HINTS = {
  download: "Ask for the file; what is already stored is not fetched again",
  abort: "Stop and discard what has arrived",
  retry: "Begin a new attempt; stored parts are kept",
  remove: "Delete the stored bytes, keep the history",
  forget: "Delete the bytes and the history",
};

/** What a card says while the history has not answered, and when it cannot. */
const STATES = { looking: { label: "Looking", tone: "idle" }, unknown: { label: "Not known", tone: "idle" } };

/** One download's card. `element` goes into the page; `update` and `tick` keep it true. */
export class Card {
  #id;
  #model;
  #perform;
  #snapshot;
  #closing;
  #state = "looking";
  #label;
  #pending = new Set();
  #speed = new SpeedEstimator();
  #speedAttempt;
  #parts = {};

  /**
   * @param {string} id the download's id
   * @param {{ title: string, resources: { bytes?: number, sha256?: string }[] } | undefined} model what the server offers under this id
   * @param {(action: string) => Promise<void>} perform runs a command; its rejection is shown on the card
   */
  constructor(id, model, perform) {
    this.#id = id;
    this.#model = model;
    this.#perform = perform;
    this.element = this.#build();
    this.#render();
  }

  /** Tells that the history could not be opened, so that nothing is known and nothing can be asked for. */
  close() {
    this.#state = "unknown";
    this.#render();
  }

  /** Shows a snapshot (undefined: nothing was ever asked for) and the event that closed its attempt. */
  update(snapshot, closing) {
    this.#state = "open";
    this.#snapshot = snapshot;
    this.#closing = closing;
    const { label } = describePhase(snapshot, closing);
    if (this.#label !== undefined && this.#label !== label) announce(`${this.#title(snapshot)}: ${label}`);
    this.#label = label;
    if (isRunning(snapshot)) this.#showError(undefined);
    this.#measure(snapshot);
    this.#render();
  }

  /** Refreshes what changes with time alone: speed, time left, countdown. */
  tick() {
    if (isRunning(this.#snapshot)) {
      this.#renderFlow(this.#snapshot);
      this.#renderWaiting(this.#snapshot);
    }
  }

  /** Whether `tick` is of any use now. */
  get running() {
    return isRunning(this.#snapshot);
  }

  #title(snapshot) {
    return this.#model?.title ?? snapshot?.title ?? this.#id;
  }

  /** The size that the server's list gives, in bytes; undefined where a file's is not told. */
  #size() {
    const sizes = this.#model?.resources.map(({ bytes: size }) => size) ?? [undefined];
    return sizes.includes(undefined) ? undefined : sizes.reduce((sum, size) => sum + size, 0);
  }

  #facts() {
    const files = this.#model?.resources ?? [];
    const size = this.#size();
    const hashes = files.filter(({ sha256 }) => sha256).length;
    return [
      size !== undefined && bytes(size),
      files.length > 1 && `${files.length} files`,
      hashes > 0 && hashes === files.length && (hashes === 1 ? `SHA-256 ${files[0].sha256.slice(0, 7)}…` : "SHA-256 of each"),
    ].filter(Boolean);
  }

  #measure(snapshot) {
    if (snapshot?.phase !== "transferring") {
      this.#speed.reset();
      this.#speedAttempt = undefined;
      return;
    }
    if (this.#speedAttempt !== snapshot.attempt) {
      this.#speed.reset();
      this.#speedAttempt = snapshot.attempt;
    }
    this.#speed.add(snapshot.downloaded, performance.now());
  }

  #render() {
    const snapshot = this.#snapshot;
    const parts = this.#parts;
    const { label, tone } = this.#state === "open" ? describePhase(snapshot, this.#closing) : STATES[this.#state];
    setText(parts.title, this.#title(snapshot));
    setText(parts.phase, label);
    setAttribute(parts.phase, "data-phase", this.#state === "open" ? (snapshot?.phase ?? "none") : undefined);
    setAttribute(parts.phase, "data-closing", this.#closing?.type);
    setAttribute(this.element, "data-tone", tone);
    this.#renderProgress(snapshot);
    this.#renderFlow(snapshot);
    this.#renderWaiting(snapshot);
    this.#renderNotices(snapshot);
    this.#renderActions(snapshot);
  }

  #renderProgress(snapshot) {
    const parts = this.#parts;
    const total = snapshot?.total ?? this.#size();
    const downloaded = snapshot?.downloaded ?? 0;
    const stored = snapshot?.stored ?? 0;
    const storedPercent = percent(stored, total);
    const running = isRunning(snapshot);
    parts.barDownloaded.style.width = `${total ? Math.min(100, (downloaded / total) * 100) : 0}%`;
    parts.barStored.style.width = `${total ? Math.min(100, (stored / total) * 100) : 0}%`;
    parts.bar.hidden = !running && stored === 0;
    setAttribute(parts.bar, "data-unknown", running && total === undefined);
    setAttribute(parts.bar, "aria-valuenow", storedPercent);
    setAttribute(
      parts.bar,
      "aria-valuetext",
      storedPercent === undefined
        ? `${bytes(stored)} stored, size not known yet`
        : `${storedPercent} percent stored, ${percent(downloaded, total)} percent downloaded`,
    );
    parts.figures.hidden = snapshot === undefined;
    for (const [name, value] of [["downloaded", snapshot?.downloaded], ["stored", snapshot?.stored], ["total", total]]) {
      setText(parts[name], bytes(value));
      setAttribute(parts[name], "title", value === undefined ? undefined : exactBytes(value));
      setAttribute(parts[name], "data-bytes", value);
    }
    setText(parts.attempt, snapshot ? String(snapshot.attempt) : UNKNOWN);
    // Nothing was downloaded in an attempt that ended in a cached hit, so no such figure stands there.
    parts.gain.hidden = this.#closing?.type === "cached-hit" && !running;
    const way = transportWords(snapshot?.transport);
    parts.transport.hidden = way === undefined;
    setText(parts.transport, way === undefined ? "" : `by ${way}`);
  }

  #renderFlow(snapshot) {
    const speed = snapshot?.phase === "transferring" ? this.#speed.at(performance.now()) : undefined;
    const left = speed === undefined ? undefined : timeLeft(snapshot.downloaded, snapshot.total, speed);
    this.#parts.flow.hidden = this.#parts.flowLeft.hidden = !isRunning(snapshot);
    setText(this.#parts.speed, rate(speed));
    setText(this.#parts.left, duration(left));
  }

  #renderWaiting(snapshot) {
    const { waiting } = (isRunning(snapshot) && snapshot) || {};
    this.#parts.waiting.hidden = !waiting;
    if (!waiting) return;
    const left = waiting.until === undefined ? 0 : waiting.until - Date.now();
    setText(this.#parts.waitingText, `Waiting ${waitingWords(waiting.reason)}`);
    setText(this.#parts.waitingUntil, left > 0 ? countdown(left) : "");
  }

  #renderNotices(snapshot) {
    const parts = this.#parts;
    const failure = snapshot?.phase === "failed" ? snapshot.failure : undefined;
    parts.failure.hidden = !failure;
    if (failure) {
      setText(parts.failureReason, `${failureWords(failure.reason)}.`);
      setText(parts.failureText, failure.message);
      setAttribute(parts.failure, "data-reason", failure.reason);
    }
    parts.note.hidden = true;
    if (snapshot?.degraded) {
      this.#note("Part of this download’s history cannot be read. It is shown as far as it goes; ask for the file again to mend it.");
    } else if (snapshot?.phase === "available" && this.#closing?.type === "cached-hit") {
      this.#note("Asked for again: it was already stored, so nothing was downloaded.");
    } else if (snapshot?.phase === "aborted" || snapshot?.phase === "evicted") {
      const words = endWords(this.#closing);
      if (words) this.#note(words);
    }
  }

  #note(text) {
    this.#parts.note.hidden = false;
    setText(this.#parts.note, text);
  }

  #renderActions(snapshot) {
    const allowed = this.#state === "open" ? allowedActions(snapshot, this.#model !== undefined) : {};
    const primary = allowed.retry ? "retry" : snapshot?.phase === "available" ? undefined : "download";
    const focused = document.activeElement;
    let lost = false;
    for (const [action] of ACTIONS) {
      const button = this.#parts[action];
      lost ||= !allowed[action] && button === focused;
      button.disabled = !allowed[action];
      setAttribute(button, "data-primary", action === primary);
    }
    setText(this.#parts.download, snapshot?.phase === "available" ? "Request again" : "Download");
    // Focus must not fall out of the card because the button that had it made itself useless.
    if (lost) (ACTIONS.map(([action]) => this.#parts[action]).find((button) => !button.disabled) ?? this.element).focus();
  }

  async #run(action) {
    if (this.#pending.has(action)) return;
    this.#pending.add(action);
    this.#showError(undefined);
    setAttribute(this.#parts[action], "aria-busy", "true");
    try {
      await this.#perform(action);
    } catch (error) {
      this.#showError(error);
    } finally {
      this.#pending.delete(action);
      setAttribute(this.#parts[action], "aria-busy", undefined);
    }
  }

  #showError(error) {
    this.#parts.error.hidden = error === undefined;
    setText(this.#parts.error, error === undefined ? "" : errorText(error));
  }

  #build() {
    const parts = this.#parts;
    const model = this.#model;
    const figure = (name, label, attributes = {}) => {
      parts[name] = h("dd", attributes, UNKNOWN);
      return h("div", {}, h("dt", {}, label), parts[name]);
    };
    parts.title = h("h3", {}, this.#title(undefined));
    parts.phase = h("p", { class: "phase", "data-testid": "phase" });
    parts.barDownloaded = h("span", { class: "bar-downloaded" });
    parts.barStored = h("span", { class: "bar-stored" });
    parts.bar = h(
      "div",
      { class: "bar", role: "progressbar", "aria-label": "Stored", "aria-valuemin": 0, "aria-valuemax": 100 },
      parts.barDownloaded,
      parts.barStored,
    );
    parts.figures = h(
      "dl",
      { class: "figures" },
      (parts.gain = figure("downloaded", "Downloaded", { "data-testid": "downloaded" })),
      figure("stored", "Stored", { "data-testid": "stored" }),
      figure("total", "Total", { "data-testid": "total" }),
      figure("attempt", "Attempt", { "data-testid": "attempt" }),
      (parts.flow = figure("speed", "Speed", { "data-testid": "speed" })),
      (parts.flowLeft = figure("left", "Time left", { "data-testid": "time-left" })),
    );
    parts.waitingText = h("span", {});
    parts.waitingUntil = h("span", { class: "until", role: "timer" });
    parts.waiting = h("p", { class: "notice notice-wait", "data-testid": "waiting" }, parts.waitingText, " ", parts.waitingUntil);
    parts.failureReason = h("strong", {});
    parts.failureText = h("span", {});
    parts.failure = h("p", { class: "notice notice-bad", "data-testid": "failure" }, parts.failureReason, " ", parts.failureText);
    parts.error = h("p", { class: "notice notice-bad", role: "alert", hidden: true, "data-testid": "card-error" });
    parts.note = h("p", { class: "note", "data-testid": "note" });
    const buttons = ACTIONS.map(([action, label]) => {
      parts[action] = h(
        "button",
        { type: "button", "data-testid": `btn-${action}`, title: HINTS[action], on: { click: () => this.#run(action) } },
        label,
      );
      return parts[action];
    });
    return h(
      "article",
      { class: "card", "data-testid": `card-${this.#id}`, "data-download": this.#id, tabindex: -1, "aria-label": this.#title(undefined) },
      h("div", { class: "card-head" }, parts.title, parts.phase),
      h(
        "p",
        { class: "card-facts" },
        h("code", {}, this.#id),
        ...this.#facts().map((fact) => h("span", {}, fact)),
        (parts.transport = h("span", { "data-testid": "transport" })),
      ),
      parts.bar,
      parts.figures,
      parts.waiting,
      parts.failure,
      parts.error,
      parts.note,
      h("div", { class: "actions" }, ...buttons),
    );
  }
}

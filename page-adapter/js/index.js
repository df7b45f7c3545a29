// Longhaul for pages: the classes of the contract over the engine in `longhaul_bg.wasm`.
//
// This file checks what an app hands over, turns relative URLs into absolute ones and keeps promises; every decision
// is made by the state machine behind `Engine`.

import { chosen } from "./choice.js";
import { instantiate } from "./code.js";
import { absoluteUrl, checkContext, isA } from "./context.js";
import { LonghaulError } from "./error.js";
import { WorkerLink } from "./link.js";
import { Engine, parseImport, stateAt as foldTexts } from "./longhaul_glue.js";

export { LonghaulError };

/** What the engine throws is a plain `{code, message, data}`; anything else is a bug of ours. */
function asError(thrown) {
  if (thrown instanceof LonghaulError) return thrown;
  if (typeof thrown?.code === "string" && typeof thrown.message === "string" && !(thrown instanceof Error)) {
    return new LonghaulError(thrown.code, thrown.message, thrown.data);
  }
  return new LonghaulError("bug", "Longhaul has a bug: please report it with the history", { name: thrown?.name });
}

async function engineCall(work) {
  try {
    return await work();
  } catch (thrown) {
    throw asError(thrown);
  }
}

const invalid = (field, expected) =>
  new LonghaulError("invalid-spec", `the spec's field \`${field}\` must be ${expected}`, { field });

const isWhole = (value) => Number.isSafeInteger(value) && value >= 0;

function absolute(url, field) {
  if (!(typeof url === "string" || isA("URL", url))) throw invalid(field, "a URL");
  try {
    // An empty address would be that of the document.
    if (String(url).trim() === "") throw invalid(field, "a URL that is not empty");
    return absoluteUrl(url).href;
  } catch (thrown) {
    throw thrown instanceof LonghaulError ? thrown : invalid(field, "a URL");
  }
}

function checkedText(value, field) {
  if (value === undefined) return undefined;
  if (typeof value !== "string") throw invalid(field, "a string");
  return value.toWellFormed?.() ?? value;
}

function checkedList(value, field) {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw invalid(field, "a list");
  return value;
}

function checkedIcon(icon, n) {
  const field = `icons[${n}]`;
  if (icon === null || typeof icon !== "object") throw invalid(field, "an image resource");
  return {
    src: absolute(icon.src, `${field}.src`),
    sizes: checkedText(icon.sizes, `${field}.sizes`),
    type: checkedText(icon.type, `${field}.type`),
    label: checkedText(icon.label, `${field}.label`),
  };
}

function checkedResource(given, n) {
  const field = `resources[${n}]`;
  const isUrl = typeof given === "string" || isA("URL", given);
  if (!isUrl && (given === null || typeof given !== "object")) throw invalid(field, "a URL or an object with one");
  const resource = isUrl ? { url: given } : given;
  const { bytes } = resource;
  if (bytes !== undefined && !isWhole(bytes)) {
    throw invalid(`${field}.bytes`, "a whole number from 0 to 9007199254740991");
  }
  return {
    url: absolute(resource.url, `${field}.url`),
    bytes,
    sha256: checkedText(resource.sha256, `${field}.sha256`),
  };
}

/** The spec with types checked and URLs made absolute; values are checked by the core. */
function checkedSpec(spec) {
  if (spec === null || typeof spec !== "object") throw invalid("spec", "an object");
  if (typeof spec.id !== "string") throw invalid("id", "a string of 1 to 512 bytes");
  if (!Array.isArray(spec.resources)) throw invalid("resources", "a list of 1 to 1000 resources");
  return {
    id: checkedText(spec.id, "id"),
    title: checkedText(spec.title, "title"),
    icons: checkedList(spec.icons, "icons").map(checkedIcon),
    secretParams: checkedList(spec.secretParams, "secretParams").map((name, n) => {
      if (typeof name !== "string") throw invalid(`secretParams[${n}]`, "the name of a query parameter");
      return name;
    }),
    resources: spec.resources.map(checkedResource),
  };
}

function checkedHeaders(headers) {
  if (headers === undefined) return undefined;
  try {
    const checked = new Headers(headers);
    // None are none: without any a background job will do.
    return checked.keys().next().done ? undefined : checked;
  } catch {
    throw new LonghaulError("invalid-spec", "`headers` must be what a Headers object can be made of", {
      field: "headers",
    });
  }
}

/** Options with types checked; a wrong one is a mistake in the app, so it is a TypeError like anywhere on the web. */
function checkedOptions(options) {
  const { name = "longhaul", transport = "auto", partBytes, parallel, retry = {} } = options;
  if (typeof name !== "string" || name === "") throw new TypeError("options.name must be a string that is not empty");
  if (!["auto", "background-fetch", "foreground"].includes(transport)) {
    throw new TypeError('options.transport must be "auto", "background-fetch" or "foreground"');
  }
  const { limit, baseMs, maxMs, unreachableMs, stallMs } = retry;
  for (const [key, value] of Object.entries({ partBytes, parallel, limit, baseMs, maxMs, unreachableMs, stallMs })) {
    if (value !== undefined && !isWhole(value)) throw new TypeError(`options: ${key} must be a whole number`);
  }
  checkWasm(options.wasm);
  return {
    engine: { name, transport, partBytes, parallel, retry: { limit, baseMs, maxMs, unreachableMs, stallMs } },
    worker: chosen(options.serviceWorker, name, options.wasm),
  };
}

function checkWasm(wasm) {
  const wanted = "options.wasm must be an address, a Response, bytes or a WebAssembly.Module";
  if (isA("Response", wasm)) {
    if (wasm.bodyUsed) throw new TypeError("options.wasm is a Response that was read already");
  } else if (typeof wasm === "string" || isA("URL", wasm)) {
    try {
      absoluteUrl(wasm);
    } catch {
      throw new TypeError(wanted);
    }
  } else if (!(wasm === undefined || isA("ArrayBuffer", wasm) || ArrayBuffer.isView(wasm) || isA("WebAssembly.Module", wasm))) {
    throw new TypeError(wanted);
  }
}

/**
 * Opens Longhaul in this page, frame or worker, and looks after every download that is under way. Waits about a second for a
 * service worker at most.
 * @param {import("./index.js").OpenOptions} [options]
 * @returns {Promise<Longhaul>}
 */
export async function open(options = {}) {
  await checkContext();
  const { engine, worker } = checkedOptions(options);
  const link = new WorkerLink(engine.name, worker, engine.transport);
  await instantiate(options.wasm);
  const longhaul = new Longhaul(token);
  await start(longhaul, engine, link);
  link.begin();
  await link.settled();
  return longhaul;
}

const token = Symbol("only open() makes one");
/** Set by the class below, whose private method it calls. */
let start;
const running = (snapshot) => snapshot.phase === "requested" || snapshot.phase === "transferring";

function endingError({ phase, failure, by }) {
  if (phase === "failed") return new LonghaulError("failed", failure.message, failure);
  // Removed in mid-download or after it: to whoever waits it is the same.
  if (phase === "evicted" || by === "removal") {
    return new LonghaulError("removed", "the stored bytes are gone: request it again");
  }
  return new LonghaulError("aborted", "the download was aborted: request it again");
}

/** All downloads under one name. Events: "entry" (CustomEvent<Entry>), "change" (CustomEvent<Snapshot>). */
export class Longhaul extends EventTarget {
  #engine;
  #link;
  #downloads = new Map();

  constructor(secret) {
    if (secret !== token) throw new TypeError("call open() instead");
    super();
  }

  /** The service worker for background jobs, and where there are none, why: `{ registration?, controls, problem? }`. */
  get serviceWorker() {
    return this.#link.state;
  }

  async #start(options, link) {
    this.#link = link;
    const tell = (kind, payload) => {
      // What an app's listener throws is the app's; dispatchEvent reports it and goes on.
      if (kind === "gone") return this.#downloads.get(payload)?.[gone]();
      if (kind === "change") this.#downloads.get(payload.id)?.[changed](payload);
      this.dispatchEvent(new CustomEvent(kind, { detail: payload }));
    };
    await engineCall(async () => {
      const engine = new Engine(options, link, tell);
      await engine.open();
      this.#engine = engine;
    });
  }

  static {
    start = (longhaul, options, link) => longhaul.#start(options, link);
  }

  get #live() {
    if (!this.#engine) throw new LonghaulError("closed", "this Longhaul was closed: call open() again");
    return this.#engine;
  }

  #download(snapshot) {
    let download = this.#downloads.get(snapshot.id);
    if (download) {
      download[changed](snapshot);
    } else {
      download = new Download(token, () => this.#live, snapshot);
      this.#downloads.set(snapshot.id, download);
    }
    return download;
  }

  async request(spec, options = {}) {
    const engine = this.#live;
    const { signal } = options;
    const checked = checkedSpec(spec);
    const headers = checkedHeaders(options.headers);
    if (signal?.aborted) throw new LonghaulError("aborted", "the signal was aborted before the request");
    const snapshot = await engineCall(() => engine.request(checked, headers));
    // The page may have closed it meanwhile: the download goes on, but nobody would tell how.
    this.#live;
    const download = this.#download(snapshot);
    askToPersist();
    if (signal) {
      const abort = () => download.abort().catch(() => {});
      if (signal.aborted) await abort();
      else listenWhile(download.finished, signal, abort);
    }
    return download;
  }

  async get(id) {
    const engine = this.#live;
    const snapshot = await engineCall(() => engine.snapshot(String(id)));
    this.#live;
    return snapshot && this.#download(snapshot);
  }

  async list() {
    const engine = this.#live;
    return engineCall(() => engine.list());
  }

  async match(url) {
    const engine = this.#live;
    const { href } = absoluteUrl(isA("Request", url) ? url.url : url);
    return engineCall(() => engine.match(href));
  }

  async history({ id, after = 0, limit } = {}) {
    const engine = this.#live;
    if (!isWhole(after) || (limit !== undefined && !isWhole(limit))) {
      throw new TypeError("after and limit must be whole numbers");
    }
    if (after > 0 && id === undefined) throw new TypeError("after counts within a download: give its id, too");
    // The engine counts up to 2^32; no history is as long.
    return engineCall(() => engine.history(id, after, limit && Math.min(limit, 0xffffffff)));
  }

  async exportHistory() {
    const engine = this.#live;
    const ndjson = await engineCall(() => engine.export());
    return new Blob([ndjson], { type: "application/x-ndjson" });
  }

  async importHistory(ndjson) {
    this.#live;
    const text = await ndjson.text();
    return engineCall(() => parseImport(text));
  }

  async estimate() {
    this.#live;
    const storage = navigator.storage;
    const [estimate, persisted] = await Promise.all([storage?.estimate?.(), storage?.persisted?.()]);
    return { usage: estimate?.usage, quota: estimate?.quota, persisted };
  }

  close() {
    const engine = this.#engine;
    if (!engine) return;
    engine.close();
    this.#engine = undefined;
    for (const download of this.#downloads.values()) download[closed]();
    this.#downloads.clear();
  }
}

/** Calls `abort` with the signal until `finished` settles: a late signal is none of a later attempt's business. */
function listenWhile(finished, signal, abort) {
  signal.addEventListener("abort", abort, { once: true });
  const forget = () => signal.removeEventListener("abort", abort);
  finished.then(forget, forget);
}

let asked = false;

/**
 * Asks the browser once in a page not to evict what this origin stores: when something is wanted for the first time, as
 * some browsers ask a person. Whatever the answer, the download goes on.
 */
async function askToPersist() {
  const { storage } = navigator;
  if (asked || !storage?.persist) return;
  asked = true;
  try {
    if (!(await storage.persisted())) await storage.persist();
  } catch {
    // Nobody waits for it; `estimate()` tells how it is.
  }
}

const changed = Symbol("changed");
const gone = Symbol("gone");
const closed = Symbol("closed");

/** A promise that settles from outside and never counts as an unhandled rejection. */
function deferred() {
  let resolve;
  let reject;
  const promise = new Promise((yes, no) => {
    resolve = yes;
    reject = no;
  });
  promise.catch(() => {});
  return { promise, resolve, reject, settled: false };
}

/** One download, as this page sees it. */
export class Download {
  #engine;
  #snapshot;
  #finished = deferred();
  #watchers = new Set();
  #over = false;

  constructor(secret, engine, snapshot) {
    if (secret !== token) throw new TypeError("call request() or get() instead");
    this.#engine = engine;
    this.#snapshot = snapshot;
    this.#settle();
  }

  get id() {
    return this.#snapshot.id;
  }

  get snapshot() {
    return this.#snapshot;
  }

  get finished() {
    return this.#finished.promise;
  }

  #settle() {
    if (running(this.#snapshot)) {
      if (this.#finished.settled) this.#finished = deferred();
      return;
    }
    // An ending that follows another one (a cached hit, an eviction) is that of a later attempt, or of none.
    if (this.#finished.settled) this.#finished = deferred();
    this.#finished.settled = true;
    if (this.#snapshot.phase === "available") this.#finished.resolve(this.#snapshot);
    else this.#finished.reject(endingError(this.#snapshot));
  }

  [changed](snapshot) {
    this.#over = false;
    // A call and an event can bring the same news in either order.
    if (snapshot.seq < this.#snapshot.seq) return;
    const news = snapshot.seq > this.#snapshot.seq;
    this.#snapshot = snapshot;
    if (news) this.#settle();
    for (const watcher of this.#watchers) watcher.next(snapshot);
  }

  #end(error) {
    if (!this.#finished.settled) {
      this.#finished.settled = true;
      this.#finished.reject(error);
    }
    this.#over = true;
    for (const watcher of this.#watchers) watcher.end();
    this.#watchers.clear();
  }

  [gone]() {
    this.#end(new LonghaulError("removed", "the download was forgotten"));
    // A new history may begin under this id, and its numbers begin anew.
    this.#snapshot = { ...this.#snapshot, phase: "evicted", downloaded: 0, stored: 0, seq: 0 };
  }

  [closed]() {
    this.#end(new LonghaulError("closed", "this Longhaul was closed before the download ended"));
  }

  /** Every snapshot from now on, beginning with the present one; a slow reader gets the latest. */
  async *updates() {
    let latest = this.#snapshot;
    let wake;
    let over = this.#over;
    const watcher = {
      next: (snapshot) => {
        latest = snapshot;
        wake?.();
      },
      end: () => {
        over = true;
        wake?.();
      },
    };
    this.#watchers.add(watcher);
    try {
      while (true) {
        if (latest) {
          const snapshot = latest;
          latest = undefined;
          yield snapshot;
        } else if (over) {
          return;
        } else {
          await new Promise((resolve) => (wake = resolve));
        }
      }
    } finally {
      this.#watchers.delete(watcher);
    }
  }

  async #command(name) {
    const engine = this.#engine();
    await engineCall(() => engine[name](this.id));
    const snapshot = await engineCall(() => engine.snapshot(this.id));
    if (snapshot) this[changed](snapshot);
  }

  async abort() {
    await this.#command("abort");
  }

  async retry() {
    await this.#command("retry");
  }

  async remove() {
    await this.#command("remove");
  }

  async forget() {
    await this.#command("forget");
  }

  async blob(url) {
    const engine = this.#engine();
    return engineCall(() => engine.blob(this.id, resourceUrl(url)));
  }

  async response(url) {
    const engine = this.#engine();
    return engineCall(() => engine.response(this.id, resourceUrl(url)));
  }
}

const resourceUrl = (url) => (url === undefined ? undefined : absoluteUrl(url).href);

/**
 * The fold of one download's entries, up to and with number `seq`. Works in Node, too.
 * @param {readonly import("./index.js").Entry[]} entries
 * @param {number} [seq]
 * @returns {Promise<import("./index.js").Snapshot | undefined>}
 */
export async function stateAt(entries, seq) {
  await instantiate();
  const texts = entries.map((entry) => JSON.stringify(entry));
  const state = await engineCall(() => foldTexts(texts, seq));
  return state === undefined ? undefined : JSON.parse(state);
}

// The strip of facts about this browser: Background Fetch, service worker, storage, network.

import { announce, setAttribute, setText } from "./dom.js";
import { bytes } from "./format.js";

/** Shows the facts and keeps them true. Expects the markup of `index.html`. */
export class Facts {
  #longhaul;
  #parts;
  #watched = new WeakSet();
  #estimating = false;

  constructor(root) {
    this.#parts = Object.fromEntries(
      ["fetch", "worker", "storage", "network"].map((name) => [name, root.querySelector(`#fact-${name}`)]),
    );
    this.#parts.note = root.querySelector("#offline-note");
    this.#set("fetch", ...("BackgroundFetchManager" in self ? ["available", "good"] : ["not in this browser", "idle"]));
    for (const type of ["online", "offline"]) addEventListener(type, () => this.#network(true));
    this.#network(false);
    this.#followWorker();
  }

  /** Begins to show the storage figures. */
  follow(longhaul) {
    this.#longhaul = longhaul;
    this.estimate();
  }

  /** Reads the storage figures again; calls that come while it reads are dropped. */
  async estimate() {
    if (!this.#longhaul || this.#estimating) return;
    this.#estimating = true;
    try {
      const { usage, quota, persisted } = await this.#longhaul.estimate();
      const figures = usage === undefined ? "not told by this browser" : `${bytes(usage)} of ${bytes(quota)}`;
      const kept = persisted === undefined ? "" : persisted ? ", persistent" : ", best effort";
      this.#set("storage", figures + kept, "idle");
    } catch {
      this.#set("storage", "not told by this browser", "idle");
    } finally {
      this.#estimating = false;
    }
  }

  #set(name, text, tone) {
    setText(this.#parts[name], text);
    setAttribute(this.#parts[name], "data-tone", tone);
  }

  #network(changed) {
    const { onLine } = navigator;
    this.#set("network", ...(onLine ? ["online", "good"] : ["offline", "wait"]));
    this.#parts.note.hidden = onLine;
    if (changed) announce(onLine ? "Online again" : this.#parts.note.textContent);
  }

  async #followWorker() {
    const { serviceWorker } = navigator;
    if (!serviceWorker) {
      this.#set("worker", isSecureContext ? "not in this browser" : "needs HTTPS or localhost", "bad");
      return;
    }
    const look = async () => {
      const registration = await serviceWorker.getRegistration();
      const state = workerState(registration, serviceWorker.controller);
      this.#set("worker", ...state);
      for (const worker of [registration, registration?.installing, registration?.waiting, registration?.active]) {
        if (!worker || this.#watched.has(worker)) continue;
        this.#watched.add(worker);
        worker.addEventListener(worker === registration ? "updatefound" : "statechange", look);
      }
    };
    serviceWorker.addEventListener("controllerchange", look);
    serviceWorker.ready.then(look);
    await look();
  }
}

function workerState(registration, controller) {
  if (registration?.active) {
    const serves = controller ? "active" : "active, not serving yet";
    return [registration.waiting ? "active, update waits" : serves, "good"];
  }
  if (registration?.installing || registration?.waiting) return ["installing", "wait"];
  return ["not registered", "idle"];
}

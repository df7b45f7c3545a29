// Longhaul for service workers: registers the listeners synchronously, as service workers demand, and hands every
// event to the worker in `worker_bg.wasm`, which is instantiated once each time the worker starts.

import init, { WorkerNode } from "./worker.js";

// Written by `cargo xtask dist`: the digest of worker_bg.wasm. It makes this script another one whenever the wasm is,
// which is how a browser notices a new version, and names the cache that a start without a network reads from.
const BUILD = "__LONGHAUL_BUILD__";
const WASM = new URL(`worker_bg.wasm?${BUILD}`, import.meta.url);
const CODE = "longhaul-code/";

let loading;

/** The wasm, instantiated once; from the cache where it was put at installation. */
function load() {
  loading ??= (async () => {
    const kept = await caches.match(WASM.href, { cacheName: CODE + BUILD }).catch(() => undefined);
    await init({ module_or_path: kept ?? (await fetch(WASM)) });
  })().catch((thrown) => {
    loading = undefined;
    throw thrown;
  });
  return loading;
}

async function keepCode() {
  const cache = await caches.open(CODE + BUILD);
  await cache.add(WASM.href);
}

async function dropOldCode() {
  for (const name of await caches.keys()) {
    if (name.startsWith(CODE) && name !== CODE + BUILD) await caches.delete(name);
  }
}

/** Registers Longhaul's listeners. Call it synchronously when the script is first evaluated. */
export function attach({ name = "longhaul", serve = false } = {}) {
  let node;
  const ready = () =>
    (node ??= load().then(
      () => new WorkerNode(name),
      (thrown) => {
        node = undefined;
        throw thrown;
      },
    ));

  self.addEventListener("install", (event) => {
    self.skipWaiting();
    event.waitUntil(keepCode());
  });
  self.addEventListener("activate", (event) => {
    event.waitUntil(Promise.all([dropOldCode(), self.clients.claim()]));
  });

  // Completions that wait for the wasm are under way, too: they are named to whoever asks.
  const arriving = new Set();
  for (const type of ["backgroundfetchsuccess", "backgroundfetchfail", "backgroundfetchabort"]) {
    self.addEventListener(type, (event) => {
      const { id } = event.registration;
      arriving.add(id);
      const handled = ready().then((worker) => worker.completed(event, () => arriving.delete(id)));
      event.waitUntil(handled.finally(() => arriving.delete(id)));
    });
  }
  self.addEventListener("backgroundfetchclick", (event) => {
    event.waitUntil(ready().then((worker) => worker.clicked(event.registration.id)));
  });

  self.addEventListener("message", (event) => {
    // Anybody may send anything; only a question of ours, with a port to answer to, means something.
    const { data } = event;
    const port = event.ports?.[0];
    if (data?.longhaul !== name || data.ask !== "state" || !port) {
      if (data?.longhaul === undefined) console.debug("Longhaul: ignored a message of somebody else");
      else console.warn("Longhaul: ignored a message that is not ours");
      return;
    }
    event.waitUntil(
      ready().then((worker) => port.postMessage({ name, format: worker.format, handling: [...arriving] })),
    );
  });

  if (!serve) return;
  self.addEventListener("fetch", (event) => {
    const { request } = event;
    // Only what scripts fetch: no navigation, no script, no picture. Our own transfers carry a fragment that tells
    // them, and their origin must answer them.
    const wanted = request.method === "GET" && request.mode !== "navigate" && request.destination === "";
    if (wanted && !request.url.includes("#part=")) event.respondWith(answer(request));
  });
  async function answer(request) {
    try {
      const worker = await ready();
      const stored = await worker.serve(request);
      if (stored) return stored;
    } catch (thrown) {
      // What cannot be served from here is fetched as if nobody had listened.
      console.warn(`Longhaul: a stored file could not be served (${thrown?.name ?? thrown?.code})`);
    }
    return fetch(request);
  }
}

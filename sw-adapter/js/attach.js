// Longhaul in a service worker: registers the listeners synchronously, as service workers demand, and hands every event to the
// worker in `longhaul_bg.wasm`, which is instantiated once each time the worker starts, and only where it is needed.

import { Code } from "./code.js";
import { UrlIndex } from "./index-of-urls.js";
import { WorkerNode } from "./longhaul_glue.js";

/** Names that this worker works for. */
const names = new Set();

/** How long a completion goes on asking for the wasm, in milliseconds: browsers end its handler after five minutes. */
const COMPLETION_MS = 200_000;

/** How long `match()` waits for the list of what is stored, in milliseconds. */
const LIST_MS = 1000;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

let code;

/** A worker of ours alone (`own`) takes over at once and serves nothing; an app's does what the app says. */
export function attachTo({ name = "longhaul", serve = false, takeOver = false, wasm, own = false }) {
  if (typeof name !== "string" || name === "") throw new TypeError("attach: name must be a string that is not empty");
  if (typeof serve !== "boolean" && typeof serve !== "function") {
    throw new TypeError("attach: serve must be true, false or a function of a URL");
  }
  names.add(name);
  code ??= new Code(wasm);

  let node;
  const ready = async () => {
    await code.load();
    return (node ??= new WorkerNode(name));
  };

  self.addEventListener("install", (event) => {
    if (own || takeOver) self.skipWaiting();
    const kept = code.keep().catch((thrown) => {
      // An update that cannot work must not replace a worker that does. An app's worker has other things to do.
      if (own && self.registration.active) throw thrown;
      console.warn(`Longhaul: ${thrown?.message}`);
    });
    event.waitUntil(kept);
  });
  self.addEventListener("activate", (event) => {
    const tidied = code.dropOld().catch((thrown) => console.warn(`Longhaul: old code could not be dropped (${thrown?.name})`));
    event.waitUntil(takeOver ? Promise.all([tidied, self.clients.claim()]) : tidied);
  });

  // Completions that wait for the wasm are under way, too: they are named to whoever asks.
  const arriving = new Set();
  for (const type of ["backgroundfetchsuccess", "backgroundfetchfail", "backgroundfetchabort"]) {
    self.addEventListener(type, (event) => {
      const { id } = event.registration;
      arriving.add(id);
      const handled = insist(ready).then((worker) => worker.completed(event, () => arriving.delete(id)));
      event.waitUntil(
        handled.finally(() => {
          arriving.delete(id);
          index.read().catch(() => {});
        }),
      );
    });
  }
  self.addEventListener("backgroundfetchclick", (event) => {
    // In the scope of a worker of our own there is no page.
    const home = own ? new URL("/", self.location.href).href : self.registration.scope;
    event.waitUntil(ready().then((worker) => worker.clicked(event.registration.id, home)));
  });

  self.addEventListener("message", (event) => {
    // Anybody may send anything; only a question of ours, with a port to answer to, means something.
    const { data } = event;
    const port = event.ports?.[0];
    const asked = typeof data?.longhaul === "string" && data.ask === "state" && port;
    if (asked && data.longhaul === name) {
      const answer = async () => {
        const known = () => ({ name, format: __LONGHAUL_FORMAT__, handling: [...arriving] });
        // What is being handled is told at once; whether the worker is fit may have to wait for its wasm.
        port.postMessage({ ...known(), more: true });
        const trouble = await code.trouble();
        port.postMessage({ ...known(), ...trouble });
      };
      event.waitUntil(answer());
      return;
    }
    if (asked && names.has(data.longhaul)) return;
    // Whoever asks for another name hears which one it is.
    if (asked) port.postMessage({ name });
    if (data?.longhaul === undefined) console.debug("Longhaul: ignored a message of somebody else");
    else console.warn("Longhaul: ignored a message that is not ours");
  });

  const index = new UrlIndex(name);
  const listening = () => {
    try {
      const channel = new BroadcastChannel(`longhaul/${name}`);
      channel.onmessage = ({ data }) => {
        if (data?.longhaul !== name) return;
        index.read(typeof data.download === "string" ? data.download : undefined).catch(() => {});
      };
    } catch (thrown) {
      // The app's worker must start all the same; what is stored later is known when it starts again.
      console.warn(`Longhaul: pages cannot be heard here (${thrown?.name})`);
    }
    return index.read().catch((thrown) => console.warn(`Longhaul: what is stored could not be listed (${thrown?.name})`));
  };
  let listed;

  async function stored(request) {
    try {
      const worker = await ready();
      const response = await worker.serve(request);
      // It may have been evicted, which nobody else tells.
      if (!response) index.read().catch(() => {});
      return response;
    } catch (thrown) {
      console.warn(`Longhaul: a stored file could not be served (${thrown?.message ?? thrown?.name})`);
      return undefined;
    }
  }

  if (serve) {
    listed = listening();
    self.addEventListener("fetch", (event) => {
      const { request } = event;
      if (!isServed(request) || !index.has(request.url)) return;
      if (typeof serve === "function" && !serve(new URL(request.url))) return;
      // What turns out not to be there is fetched as if nobody had listened.
      event.respondWith(stored(request).then((response) => response ?? fetch(request)));
    });
  }

  return {
    async match(request) {
      if (!isServed(request)) return undefined;
      listed ??= listening();
      await Promise.race([listed, sleep(LIST_MS)]);
      return index.has(request.url) ? stored(request) : undefined;
    },
  };
}

/** Never navigations; never our own transfers, which carry a fragment that tells them: their origin must answer them. */
function isServed({ method, mode, url }) {
  return (method === "GET" || method === "HEAD") && mode !== "navigate" && !url.includes("#part=");
}

/** Bytes of a completion come once. Without the wasm they would be lost, so that it is asked for again and again. */
async function insist(work) {
  const end = performance.now() + COMPLETION_MS;
  for (let wait = 1000; ; wait = Math.min(wait * 2, 30_000)) {
    try {
      return await work();
    } catch (thrown) {
      if (performance.now() + wait > end) throw thrown;
      await sleep(wait);
    }
  }
}

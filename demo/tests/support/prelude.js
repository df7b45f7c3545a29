// Helpers that every evaluated test script can use. They stand in the script itself, so that they work while the server is down.
"use strict";

const sha256 = async (data) => {
  // No `instanceof`: the bytes may be of another world than this script.
  const bytes = typeof data.arrayBuffer === "function" ? await data.arrayBuffer() : data;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
};

/** Resolves with the first event of `type` on `target` that `accept` answers with something truthy. */
const once = (target, type, accept = () => true) =>
  new Promise((resolve) => {
    const listener = (event) => {
      if (!accept(event)) return;
      target.removeEventListener(type, listener);
      resolve(event);
    };
    target.addEventListener(type, listener);
  });

/** What scripts keep for each other. On the page's own global: in Firefox a script's is a sandbox that ends with it. */
window.e2e ??= {};

/** A module in the page's own world, where the page can load it there. */
const load = (url) => (window.load ? window.load(url) : import(url));

/** Opens Longhaul once per page and keeps it. */
const longhaul = async (options) => {
  const { open } = await load("/longhaul/index.js");
  e2e.longhaul ??= await open(options);
  return e2e.longhaul;
};

/** The snapshot of download `id` as soon as it satisfies `accept`: now, or with a later "change". */
const until = async (lh, id, accept) => {
  let found;
  const later = once(lh, "change", ({ detail }) => {
    if (detail.id !== id || !accept(detail)) return false;
    found = detail;
    return true;
  });
  // Asked after listening: whatever happens between the two is seen by one of them.
  const now = (await lh.list()).find((snapshot) => snapshot.id === id);
  if (now && accept(now)) return now;
  await later;
  return found;
};

const ended = ({ phase }) => ["available", "failed", "aborted", "evicted"].includes(phase);

/** The element that `css` finds, as soon as it satisfies `accept`. */
const shown = (css, accept = () => true) =>
  new Promise((resolve) => {
    const look = () => {
      const element = document.querySelector(css);
      if (!element || !accept(element)) return;
      observer.disconnect();
      resolve(element);
    };
    const observer = new MutationObserver(look);
    observer.observe(document, { attributes: true, characterData: true, childList: true, subtree: true });
    look();
  });

/** The outcome of a request to IndexedDB. */
const result = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("somebody keeps the database open"));
  });

/** Does something with a database as it is, behind the back of whoever it belongs to. */
const inDatabase = async (name, work) => {
  const db = await result(indexedDB.open(name));
  try {
    return await work(db);
  } finally {
    db.close();
  }
};

/** Changes stores of Longhaul's database in one transaction; `change` gets them by name. */
const tamper = (change) =>
  inDatabase("longhaul", (db) => {
    const names = [...db.objectStoreNames];
    const transaction = db.transaction(names, "readwrite");
    change(Object.fromEntries(names.map((name) => [name, transaction.objectStore(name)])));
    return once(transaction, "complete");
  });

/** Every record of every database, and the address of every entry of every cache, as text. */
const everything = async () => {
  const found = {};
  for (const { name, version } of await indexedDB.databases()) {
    found[`${name} ${version}`] = await inDatabase(name, async (db) => {
      const stores = {};
      for (const name of db.objectStoreNames) {
        const store = db.transaction(name).objectStore(name);
        stores[name] = await Promise.all([result(store.getAllKeys()), result(store.getAll())]);
      }
      return stores;
    });
  }
  for (const name of await caches.keys()) {
    found[name] = (await (await caches.open(name)).keys()).map(({ url }) => url).sort();
  }
  return JSON.stringify(found);
};

/** Waits for something that no event tells of. */
const eventually = async (holds, everyMs = 50) => {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, everyMs));
};

/** The managers of background jobs of every registration of this origin. */
const jobManagers = async () => {
  const registrations = (await navigator.serviceWorker?.getRegistrations()) ?? [];
  return registrations.map(({ backgroundFetch }) => backgroundFetch).filter(Boolean);
};

/** Everything this origin keeps: entries of each cache, databases with the number of records in each store, background jobs. */
const atRest = async () => {
  const found = { caches: {}, databases: {}, jobs: [] };
  for (const name of await caches.keys()) {
    const keys = await (await caches.open(name)).keys();
    found.caches[name] = keys.map((request) => request.url);
  }
  for (const { name } of await indexedDB.databases()) {
    found.databases[name] = await inDatabase(name, async (db) => {
      const counts = {};
      for (const store of db.objectStoreNames) counts[store] = await result(db.transaction(store).objectStore(store).count());
      return counts;
    });
  }
  for (const manager of await jobManagers()) found.jobs.push(...(await manager.getIds()));
  return found;
};

/** Waits until a record of Longhaul's database holds all `texts`, without opening Longhaul: from the messages of its worker. */
const written = async (database, ...texts) => {
  const container = navigator.serviceWorker;
  let wake = () => {};
  container.addEventListener("message", () => wake());
  container.startMessages();
  while (true) {
    const told = new Promise((resolve) => (wake = resolve));
    const found = await inDatabase(database, async (db) => {
      const all = Array.from(db.objectStoreNames, (store) => result(db.transaction(store).objectStore(store).getAll()));
      const holds = (record) => texts.every((text) => JSON.stringify(record).includes(text));
      return (await Promise.all(all)).flat().some(holds);
    });
    if (found) return;
    await told;
  }
};

const plainError = (error) => ({
  name: error?.name ?? typeof error,
  code: error?.code,
  message: String(error?.message ?? error),
  data: error?.data,
  stack: error?.stack,
});

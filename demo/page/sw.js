// The demo's service worker: Longhaul's listeners, and a small cache of the page itself, so that it starts
// without the network. Everything is registered during the first evaluation of this script, as browsers demand.

import { attach } from "/longhaul/sw.js";

const SHELL = "longhaul-demo-shell-1";

/** Fetched at installation: all that the page needs to start and to show what is stored. */
const PRECACHE = [
  "/",
  "/style.css",
  "/main.js",
  "/cards.js",
  "/chat.js",
  "/details.js",
  "/dom.js",
  "/facts.js",
  "/format.js",
  "/ledger.js",
  "/llm.js",
  "/log.js",
  "/phase.js",
  "/speed.js",
  "/summary.js",
  "/icons/longhaul.svg",
  "/icons/longhaul-192.png",
  "/longhaul/index.js",
  "/longhaul/longhaul_glue.js",
  "/longhaul/longhaul_bg.wasm",
];

/** Kept when first used: the package's other files, the language model's engine (9 MB), the list of models. */
const KEPT_ON_USE = /^\/(longhaul\/.+|vendor\/.+|api\/models)$/;

addEventListener("install", (event) => event.waitUntil(precache()));
addEventListener("activate", (event) => event.waitUntil(dropOldShells()));
addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  // Model files are Longhaul's business, and so is everything of other origins.
  if (request.method !== "GET" || url.origin !== location.origin || request.headers.has("range")) return;
  if (request.mode === "navigate") {
    if (url.pathname === "/") event.respondWith(networkFirst(event, "/"));
  } else if (PRECACHE.includes(url.pathname) || KEPT_ON_USE.test(url.pathname)) {
    event.respondWith(networkFirst(event, url.pathname));
  }
});

// Answers what is stored, and nothing else.
attach({ serve: true });

/**
 * A file that cannot be had costs the offline start, not the worker: downloads need it, and an installation
 * that fails would take it away.
 */
async function precache() {
  const cache = await caches.open(SHELL);
  const outcomes = await Promise.allSettled(PRECACHE.map((path) => cache.add(new Request(path, { cache: "no-cache" }))));
  for (const { reason } of outcomes.filter(({ status }) => status === "rejected")) {
    console.warn("longhaul demo: a file of the page could not be kept for offline starts", reason);
  }
}

async function dropOldShells() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith("longhaul-demo-shell-") && name !== SHELL).map((name) => caches.delete(name)));
}

/** The server's answer, kept for the day it does not come; then the one that was kept. */
async function networkFirst(event, key) {
  let response;
  try {
    response = await fetch(event.request);
  } catch (error) {
    const kept = await caches.match(key, { cacheName: SHELL });
    if (kept) return kept;
    throw error;
  }
  if (response.ok) event.waitUntil(keep(key, response.clone()));
  return response;
}

/** Keeps an answer. Where there is no room for it, the page has had it all the same. */
async function keep(key, response) {
  try {
    const cache = await caches.open(SHELL);
    await cache.put(key, response);
  } catch (error) {
    console.warn("longhaul demo: an answer could not be kept for offline starts", error);
  }
}

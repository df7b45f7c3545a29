// The demo's service worker: Longhaul's listeners, and a small cache of the page itself, so that it starts
// without the network. Everything is registered during the first evaluation of this script, as browsers demand.

import { attach } from "/longhaul/sw.js";

attach({ serve: true });

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
  "/longhaul/page.js",
  "/longhaul/page_bg.wasm",
];

addEventListener("install", (event) => event.waitUntil(precache()));
addEventListener("activate", (event) => event.waitUntil(dropOldShells()));
addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  // Model files are Longhaul's business, and so is everything of other origins.
  if (request.method !== "GET" || url.origin !== location.origin || request.headers.has("range")) return;
  if (request.mode === "navigate") {
    if (url.pathname === "/") event.respondWith(networkFirst(request, "/"));
  } else if (url.pathname.startsWith("/vendor/")) {
    event.respondWith(cacheFirst(request));
  } else if (PRECACHE.includes(url.pathname) || url.pathname.startsWith("/longhaul/") || url.pathname === "/api/models") {
    event.respondWith(networkFirst(request, url.pathname));
  }
});

async function precache() {
  const cache = await caches.open(SHELL);
  await cache.addAll(PRECACHE.map((path) => new Request(path, { cache: "no-cache" })));
}

async function dropOldShells() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith("longhaul-demo-shell-") && name !== SHELL).map((name) => caches.delete(name)));
}

/** The server's answer, kept for the day it does not come; then the one that was kept. */
async function networkFirst(request, key) {
  const cache = await caches.open(SHELL);
  try {
    const response = await fetch(request);
    if (response.ok) await cache.put(key, response.clone());
    return response;
  } catch (error) {
    const kept = await cache.match(key);
    if (kept) return kept;
    throw error;
  }
}

/** For files whose version is pinned: what is kept never differs from what the server has. */
async function cacheFirst(request) {
  const cache = await caches.open(SHELL);
  const kept = await cache.match(request);
  if (kept) return kept;
  const response = await fetch(request);
  if (response.ok) await cache.put(request, response.clone());
  return response;
}

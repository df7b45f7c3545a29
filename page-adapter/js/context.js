// Where this code runs: a page, a frame, a worker, or no browser at all.

import { LonghaulError } from "./error.js";

/** What relative addresses are relative to; undefined where nothing is (a worker made of a Blob in a sandbox). */
function baseUrl() {
  if (globalThis.document?.baseURI) return document.baseURI;
  // The address of a worker that was made of a Blob is no base for another one.
  const ofBlob = location.protocol === "blob:" || location.protocol === "data:";
  const base = ofBlob ? location.origin : location.href;
  return base === "null" ? undefined : base;
}

/**
 * An address made absolute.
 * @param {string | URL} url
 * @throws {TypeError} where it is none
 */
export const absoluteUrl = (url) => new URL(url, baseUrl());

/** Whether a value is of one of the web's own types, of whichever frame it may come. */
export const isA = (type, value) => Object.prototype.toString.call(value) === `[object ${type}]`;

/** Resolves after `ms` milliseconds. */
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** What `promise` resolves with, or undefined where that takes longer than `ms` milliseconds. Rejects as it does. */
export async function within(ms, promise) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, Math.max(ms, 0));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Whether a violation is that of a request for this address: some browsers tell no more than its origin. */
function concerns({ blockedURI }, url) {
  try {
    const { origin, pathname } = new URL(blockedURI);
    return origin === url.origin && (pathname === url.pathname || pathname === "/");
  } catch {
    // Of an address without a server its scheme is told.
    return `${blockedURI}:` === url.protocol;
  }
}

/**
 * Asks for an address, which a Content-Security-Policy may forbid. Where that fails, the rejection is what `explain` makes of what was
 * thrown and of the directive that hindered it, if one did: one that is only reported hinders nothing.
 */
export async function underPolicy(url, work, explain) {
  const violated = [];
  const note = (violation) => {
    const hinders = violation.disposition !== "report";
    // What it is that lacks a type, no violation tells.
    if (hinders && (/trusted-types/.test(violation.effectiveDirective) || concerns(violation, url))) violated.push(violation.effectiveDirective);
  };
  globalThis.addEventListener("securitypolicyviolation", note);
  try {
    return await work();
  } catch (thrown) {
    // The event is a task of its own, and may come after the rejection.
    for (let turn = 0; violated.length === 0 && turn < 3; turn += 1) await sleep(5);
    throw await explain(thrown, violated[0]);
  } finally {
    globalThis.removeEventListener("securitypolicyviolation", note);
  }
}

/** The smallest module there is. */
const EMPTY_MODULE = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);

/** Rejects where Longhaul cannot work, and says why: before anything is asked of a server or written. */
export async function checkContext() {
  if (typeof location === "undefined" || typeof addEventListener === "undefined") {
    throw new LonghaulError(
      "unsupported-environment",
      "open() needs a browser: call it in a page or in a worker of one, for instance in an effect that does not run on the server",
    );
  }
  if (globalThis.isSecureContext === false) {
    throw new LonghaulError(
      "storage-unavailable",
      `browsers give storage for downloads to secure pages alone: serve ${location.origin} by HTTPS, or use localhost`,
    );
  }
  await checkStorage();
  if (typeof WebAssembly === "undefined") {
    throw new LonghaulError("unsupported-environment", "this browser has no WebAssembly, or it is switched off (as in a lockdown mode)");
  }
  try {
    new WebAssembly.Module(EMPTY_MODULE);
  } catch (thrown) {
    throw new LonghaulError(
      "blocked-by-policy",
      "the Content-Security-Policy forbids WebAssembly: add 'wasm-unsafe-eval' to its script-src",
      { directive: "script-src", name: thrown?.name },
    );
  }
}

async function checkStorage() {
  const refused = (what, thrown) => {
    const why = thrown ? ` (${thrown.name})` : "";
    return new LonghaulError(
      "storage-unavailable",
      `${what}${why}: a private window, a sandboxed frame or the browser's settings may be why`,
      thrown && { name: thrown.name },
    );
  };
  try {
    if (!globalThis.caches) throw refused("this browser gives no Cache Storage here");
    if (!globalThis.indexedDB) throw refused("this browser gives no IndexedDB here");
    // Asks for a cache that is not there: what refuses refuses this, too, and nothing is made.
    const asked = caches.has("longhaul-is-not-there");
    if ((await within(10_000, asked)) === undefined) throw refused("the browser's Cache Storage does not answer");
  } catch (thrown) {
    if (thrown instanceof LonghaulError) throw thrown;
    throw refused("the browser refuses to store anything here", thrown);
  }
}

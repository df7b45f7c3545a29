// What the app says about its service worker, as one thing: which script, of which type, with which scope.

import { absoluteUrl, isA } from "./context.js";
import { isAddress, wasmFile, workerFile } from "./code.js";

const WANTED =
  "options.serviceWorker must be the address of a script, a ServiceWorkerRegistration, { url, scope, type } or false";

/** The file name of the worker that this package brings along: whoever serves it by hand names it like that, bundlers add a hash. */
const OWN = /\/longhaul\.worker([.-][\w-]+)?\.js$/;

const isRegistration = (value) => typeof value?.scope === "string" && "active" in value && typeof value.update === "function";

const isTrusted = (value) =>
  globalThis.trustedTypes?.isScriptURL?.(value) ?? (globalThis.TrustedScriptURL && value instanceof TrustedScriptURL) ?? false;

/**
 * A scope in which no page lies. Escaped in a way of its own: a scope may not have an escaped slash, and dots have a meaning.
 */
const folderOf = (name) =>
  encodeURIComponent(name.toWellFormed?.() ?? name)
    .replace(/[_.]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%", "_");

/** How scopes of the worker that the package brings along end, whichever path an app lies under. */
export const ownScopeEnd = (name) => `/longhaul/${folderOf(name)}/`;

/**
 * Whether a registration's script is the worker that the package brings along, of whichever build, and works for this name. Some
 * bundlers leave nothing of its file's name, and a TrustedScriptURL has no parameters.
 */
export function isOwn(scriptURL, scope, name) {
  const { pathname, searchParams } = new URL(scriptURL);
  const signs = [OWN.test(pathname), searchParams.get("name") === name, scope.endsWith(ownScopeEnd(name))];
  return signs.filter(Boolean).length >= 2;
}

/** Where workers are to have the wasm from: where the page has it from, if they can. */
function wasmFor(given) {
  const url = isAddress(given) ? absoluteUrl(given) : undefined;
  return url?.protocol.startsWith("http") ? url : wasmFile();
}

/**
 * The app's choice: `{ off }`, `{ registration }` or `{ own, url, scope, type, handed, wasm }`, where `handed` is what register()
 * is to be given, and `wasm` the address that the worker has its wasm from, as far as that is known. `given` and `wasmGiven` are the options
 * `serviceWorker` and `wasm`. Throws a TypeError where it is none.
 */
export function chosen(given, name, wasmGiven) {
  if (given === false) return { off: true };
  if (isRegistration(given)) return { registration: given };
  const wrapped = given !== null && typeof given === "object" && !isA("URL", given) && !isTrusted(given);
  const { url: named, scope, type } = wrapped ? given : { url: given };
  const handed = named ?? (given === undefined ? workerFile() : named);
  if (!(typeof handed === "string" || isA("URL", handed) || isTrusted(handed))) throw new TypeError(WANTED);
  if (type !== undefined && type !== "classic" && type !== "module") {
    throw new TypeError('options.serviceWorker.type must be "classic" or "module"');
  }
  let wasm = wasmFor(wasmGiven);
  let url;
  let within;
  try {
    url = absoluteUrl(String(handed));
    url.hash = "";
    within = scope === undefined ? undefined : absoluteUrl(scope).href;
  } catch {
    throw new TypeError(WANTED);
  }
  if (!OWN.test(url.pathname) && given !== undefined) {
    const scope = within ?? new URL("./", url).href;
    return { own: false, url, scope, asked: within, type: type ?? "module", handed, wasm };
  }
  if (url.protocol === "data:" || wasm.protocol === "data:") {
    return { own: true, inlined: true, url, scope: "", type: "classic", handed: url };
  }
  if (isTrusted(handed)) {
    wasm = new URL(url.searchParams.get("wasm") ?? "./longhaul_bg.wasm", url);
  } else {
    // Served by hand the wasm lies beside its script; where a bundler named both, it knows where.
    const byHand = given !== undefined && url.pathname.endsWith("/longhaul.worker.js");
    if (byHand && !isAddress(wasmGiven)) wasm = new URL("./longhaul_bg.wasm", url);
    // The address must not end in `.wasm`: Vite's dev server would take the script for wasm.
    url.searchParams.set("wasm", wasm.href);
    url.searchParams.set("name", name);
  }
  const own = within ?? new URL(`.${ownScopeEnd(name)}`, url).href;
  return { own: true, url, scope: own, asked: own, type: "classic", handed: isTrusted(handed) ? handed : url, wasm };
}

// What the app says about its service worker, as one thing: which script, of which type, with which scope.

import { absoluteUrl, isA } from "./context.js";
import { workerFiles } from "./code.js";

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

/**
 * The app's choice: `{ off }`, `{ registration }` or `{ own, url, scope, type, handed }`, where `handed` is what register()
 * is to be given. Throws a TypeError where it is none.
 */
export function chosen(given, name) {
  if (given === false) return { off: true };
  if (isRegistration(given)) return { registration: given };
  const wrapped = given !== null && typeof given === "object" && !isA("URL", given) && !isTrusted(given);
  const { url: named, scope, type } = wrapped ? given : { url: given };
  const files = workerFiles();
  const handed = named ?? (given === undefined ? files.script : named);
  if (!(typeof handed === "string" || isA("URL", handed) || isTrusted(handed))) throw new TypeError(WANTED);
  if (type !== undefined && type !== "classic" && type !== "module") {
    throw new TypeError('options.serviceWorker.type must be "classic" or "module"');
  }
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
    return { own: false, url, scope: within ?? new URL("./", url).href, asked: within, type: type ?? "module", handed };
  }
  if (url.protocol === "data:" || files.wasm.protocol === "data:") {
    return { own: true, inlined: true, url, scope: "", type: "classic", handed: url };
  }
  if (!isTrusted(handed)) {
    // Served by hand the wasm lies beside its script; where a bundler named both, it knows where.
    const byHand = given !== undefined && url.pathname.endsWith("/longhaul.worker.js");
    const wasm = byHand ? new URL("./worker_bg.wasm", url) : files.wasm;
    // The address must not end in `.wasm`: Vite's dev server would take the script for wasm.
    url.searchParams.set("wasm", wasm.href);
    url.searchParams.set("name", name);
  }
  const own = within ?? new URL(`.${ownScopeEnd(name)}`, url).href;
  return { own: true, url, scope: own, asked: own, type: "classic", handed: isTrusted(handed) ? handed : url };
}

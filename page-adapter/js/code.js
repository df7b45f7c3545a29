// Loading the wasm, saying why it cannot be had, and handing it over to the service worker.

import { cacheOf, keepCode, keptCode, ofThisBuild } from "../../browser/js/kept-code.js";
import { absoluteUrl, isA, underPolicy } from "./context.js";
import { LonghaulError } from "./error.js";
import init from "./longhaul_glue.js";

/**
 * A dev server's dependency optimizer moves modules into a folder of its own and leaves their files behind. No slash in brackets:
 * Vite 5 would take what follows for a comment, and miss the files that are named in it.
 */
const OPTIMIZED = /\/\.vite\/deps\w*\//;

/**
 * Where a file of this package lies, given where a bundler says it is: some make an object of it that only looks like a URL, and is
 * relative.
 */
function found(named) {
  const url = globalThis.location ? absoluteUrl(String(named)) : new URL(named);
  if (!OPTIMIZED.test(url.pathname)) return url;
  const moved = new URL(url);
  moved.pathname = moved.pathname.replace(OPTIMIZED, "/longhaul/");
  return moved;
}

/** The package's files that a service worker is made of. Bundlers find them here. */
export const workerFile = () => found(new URL("./longhaul.worker.js", import.meta.url));
export const wasmFile = () => found(new URL("./longhaul_bg.wasm", import.meta.url));

/** Whether the option `wasm` says where the wasm is, and not what is in it. */
export const isAddress = (wasm) => typeof wasm === "string" || isA("URL", wasm);

let instance;

/** Hands out the bytes that were compiled here, once. Undefined where the app has compiled them, and when a worker has them. */
let takeBytes;

/** One wasm instance for all `open()` calls of a page, begun with what the first one says. */
export function instantiate(wasm) {
  instance ??= begin(wasm).catch((thrown) => {
    instance = undefined;
    throw thrown;
  });
  return instance;
}

async function begin(wasm) {
  const compiled = await moduleOf(wasm);
  try {
    return await init({ module_or_path: compiled });
  } catch (thrown) {
    if (wasm !== undefined && !isAddress(wasm)) throw ofAnotherBuild(thrown);
  }
  // Once more past the HTTP cache, which may have kept that of another build.
  const renewed = await moduleOf(wasm, { cache: "reload" });
  try {
    return await init({ module_or_path: renewed });
  } catch (thrown) {
    throw ofAnotherBuild(thrown);
  }
}

const ofAnotherBuild = (thrown) =>
  new LonghaulError(
    "unsupported-environment",
    "the wasm that was loaded is not the one of this index.js: serve both from the same version of the package, and clear what a cache may have kept",
    { name: thrown?.name },
  );

/**
 * Puts what was loaded here where the service worker of this scope looks for it first, so that it is loaded once for both. `wasm` is the
 * address that the worker knows. Never rejects: a worker that finds nothing asks the network.
 */
export async function handOver(scope, wasm) {
  try {
    const cache = cacheOf(scope);
    const url = ofThisBuild(wasm);
    if (!takeBytes || (await keptCode(cache, url))) return;
    const bytes = await takeBytes();
    takeBytes = undefined;
    if (await isOfThisBuild(bytes)) await keepCode(cache, url, bytes);
  } catch (thrown) {
    console.debug(`Longhaul: the wasm could not be handed over to the service worker (${thrown?.name})`);
  }
}

/** The app may have passed something else that happens to start. */
async function isOfThisBuild(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.startsWith(__LONGHAUL_BUILD__);
}

async function moduleOf(wasm, how) {
  if (isA("WebAssembly.Module", wasm)) return wasm;
  if (isA("Response", wasm)) return compiledFrom(wasm, "the Response given as `wasm`");
  if (isA("ArrayBuffer", wasm) || ArrayBuffer.isView(wasm)) return compiled(wasm, "what was given as `wasm`");
  const url = wasm === undefined ? ofThisBuild(wasmFile()) : absoluteUrl(wasm);
  if (url.protocol === "file:") return compiled(await readFile(url), url.href);
  try {
    return await compiledFrom(await fetched(url, how), url.href);
  } catch (thrown) {
    if (thrown.data?.status === undefined) throw thrown;
    // Once more past the HTTP cache: what it kept may be an answer of another day.
    return compiledFrom(await fetched(url, { cache: "reload" }), url.href);
  }
}

/** Reads a file where there is a file system: `stateAt` works in Node. */
async function readFile(url) {
  const fs = globalThis.process?.getBuiltinModule?.("node:fs/promises");
  if (!fs) {
    throw new LonghaulError("unsupported-environment", `${url.href} cannot be read here: this needs a browser, or Node 20.16 or newer`, {
      url: url.href,
    });
  }
  return fs.readFile(url);
}

function fetched(url, init) {
  return underPolicy(
    url,
    () => fetch(url, init),
    (thrown, directive) =>
      directive
        ? new LonghaulError("blocked-by-policy", `the Content-Security-Policy blocks ${url.href}: add its origin to ${directive}`, {
            directive,
          })
        : new LonghaulError(
            "unsupported-environment",
            `${url.href} could not be loaded (${thrown.name}): see that the server can be reached and, if it is another origin, that it allows this one (CORS)`,
            { url: url.href, name: thrown.name },
          ),
  );
}

async function compiledFrom(response, what) {
  const type = response.headers.get("Content-Type") ?? "";
  if (!response.ok) {
    throw missing(`${what} is not there: the server answered ${response.status}`, { url: response.url, status: response.status, type });
  }
  if (/^application\/wasm\b/i.test(type) && WebAssembly.compileStreaming) {
    try {
      const compiled = await WebAssembly.compileStreaming(response.clone());
      takeBytes = () => response.arrayBuffer();
      return compiled;
    } catch {
      // The bytes tell why.
    }
  }
  return compiled(await response.arrayBuffer(), what, { url: response.url, status: response.status, type });
}

async function compiled(bytes, what, data) {
  try {
    const compiled = await WebAssembly.compile(bytes);
    takeBytes = () => bytes;
    return compiled;
  } catch (thrown) {
    const type = data?.type && ` but ${data.type.split(";")[0]}`;
    const fault = isWasm(bytes) ? "does not compile: it is incomplete or damaged" : `is no wasm${type ?? ""}`;
    throw missing(`${what} ${fault}`, { ...data, name: thrown?.name });
  }
}

/** Whether bytes begin as every wasm does. */
function isWasm(bytes) {
  const head = new Uint8Array(bytes.buffer ?? bytes, bytes.byteOffset ?? 0, Math.min(bytes.byteLength, 4));
  return String.fromCharCode(...head) === "\0asm";
}

const missing = (what, data) =>
  new LonghaulError(
    "unsupported-environment",
    `${what}. Serve longhaul_bg.wasm beside index.js (\`npx longhaul copy <folder>\` copies all that must be served), pass its address as \`wasm\`, or, in Vite, set optimizeDeps: { exclude: ["longhaul"] }`,
    data,
  );

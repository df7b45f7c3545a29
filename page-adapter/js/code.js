// Loading the wasm of the page, and saying why it cannot be had.

import { absoluteUrl, isA, underPolicy } from "./context.js";
import { LonghaulError } from "./error.js";
import init from "./page.js";

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

/** The wasm of a build of its own has an address of its own, whatever a cache on the way thinks of the one before. */
function ofThisBuild(url) {
  if (url.protocol.startsWith("http")) url.searchParams.set("build", __LONGHAUL_PAGE_BUILD__);
  return url;
}

/** The script and the wasm of the service worker that this package brings along. Both are found by bundlers, too. */
export const workerFiles = () => ({
  script: found(new URL("./longhaul.worker.js", import.meta.url)),
  wasm: found(new URL("./worker_bg.wasm", import.meta.url)),
});

let instance;

/** One wasm instance for all `open()` calls of a page, begun with what the first one says. */
export function instantiate(wasm) {
  instance ??= begin(wasm).catch((thrown) => {
    instance = undefined;
    throw thrown;
  });
  return instance;
}

async function begin(wasm) {
  const isAddress = wasm === undefined || typeof wasm === "string" || isA("URL", wasm);
  const compiled = await moduleOf(wasm);
  try {
    return await init({ module_or_path: compiled });
  } catch (thrown) {
    if (!isAddress) throw ofAnotherBuild(thrown);
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

async function moduleOf(wasm, how) {
  if (isA("WebAssembly.Module", wasm)) return wasm;
  if (isA("Response", wasm)) return compiledFrom(wasm, "the Response given as `wasm`");
  if (isA("ArrayBuffer", wasm) || ArrayBuffer.isView(wasm)) return compiled(wasm, "what was given as `wasm`");
  const url = wasm === undefined ? ofThisBuild(found(new URL("./page_bg.wasm", import.meta.url))) : absoluteUrl(wasm);
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
      return await WebAssembly.compileStreaming(response.clone());
    } catch {
      // The bytes tell why.
    }
  }
  return compiled(await response.arrayBuffer(), what, { url: response.url, status: response.status, type });
}

async function compiled(bytes, what, data) {
  try {
    return await WebAssembly.compile(bytes);
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
    `${what}. Serve page_bg.wasm beside index.js (\`npx longhaul copy <folder>\` copies all that must be served), pass its address as \`wasm\`, or, in Vite, set optimizeDeps: { exclude: ["longhaul"] }`,
    data,
  );

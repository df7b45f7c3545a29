// The worker's wasm: what the page has handed over, or fetched and compiled; kept for starts without a network, and, where it
// cannot be had, why.

import { cacheOf, keepCode, keptCode } from "../../browser/js/kept-code.js";
import init from "./longhaul_glue.js";

/** How long a first installation waits for the wasm, in milliseconds: it can do without. */
const INSTALLATION_MS = 10_000;

/** The smallest module there is. */
const EMPTY_MODULE = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);

const CURE = "serve longhaul_bg.wasm there (`npx longhaul copy <folder>` copies all that must be served), or pass its address as `wasm` to attach()";

/** Why the wasm cannot be had: one sentence, without its beginning and its end. */
class CodeProblem extends Error {
  /** Whether the policy that the worker's script came with is to blame, which only another worker can change. */
  byPolicy = false;
}

const policyProblem = (sentence) => Object.assign(new CodeProblem(sentence), { byPolicy: true });

/** One wasm of one build, for the worker of one registration. */
export class Code {
  #url;
  /** Its address as people are told it. */
  #shown;
  #cache;
  #loading;

  /** @param {string | URL} wasm where it is, absolute */
  constructor(wasm) {
    this.#url = new URL(wasm);
    this.#shown = this.#url.href.split("?")[0];
    this.#cache = cacheOf(self.registration.scope);
  }

  /** The wasm, instantiated once. What was kept is used first; where it does not compile it is dropped. */
  load() {
    this.#loading ??= this.#instantiated().catch((thrown) => {
      this.#loading = undefined;
      throw thrown;
    });
    return this.#loading;
  }

  /**
   * Why there is no wasm to work with: `problem`, in words, and whether a policy is to blame; nothing where there is one. Answers
   * without loading what was kept.
   */
  async trouble() {
    try {
      if (!this.#loading && (await this.#kept())) checkPolicy();
      else await this.load();
      return {};
    } catch (thrown) {
      if (!(thrown instanceof CodeProblem)) return { problem: `its code does not start (${thrown?.name})` };
      return { problem: thrown.message, byPolicy: thrown.byPolicy };
    }
  }

  /** Keeps the wasm for starts without a network. Rejects where it cannot be had, within some seconds. */
  async keep() {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new CodeProblem(`${this.#shown} does not come`)), INSTALLATION_MS);
    });
    try {
      checkPolicy();
      if (!(await this.#kept())) await Promise.race([this.#fetched(), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Drops what earlier builds of this registration kept. */
  async dropOld() {
    const { prefix, name } = this.#cache;
    const names = await caches.keys();
    await Promise.all(names.filter((other) => other.startsWith(prefix) && other !== name).map((other) => caches.delete(other)));
  }

  async #kept() {
    try {
      return await keptCode(this.#cache, this.#url);
    } catch {
      // Without a cache it is fetched each time.
      return undefined;
    }
  }

  async #instantiated() {
    checkPolicy();
    const kept = await this.#kept();
    if (kept) {
      try {
        await init({ module_or_path: await WebAssembly.compile(await kept.arrayBuffer()) });
        return;
      } catch (thrown) {
        console.warn(`Longhaul: dropped a kept wasm that does not start (${thrown?.name})`);
        await caches.delete(this.#cache.name);
      }
    }
    const fetched = await this.#fetched();
    try {
      await init({ module_or_path: fetched });
    } catch {
      // That of another build: once more past the HTTP cache, which may have kept it.
      await init({ module_or_path: await this.#compiled("reload") });
    }
  }

  /** Fetched and compiled, and only then kept. */
  async #fetched() {
    checkPolicy();
    try {
      return await this.#compiled("default");
    } catch (thrown) {
      if (!thrown.answered) throw thrown;
      // Once more past the HTTP cache: what it kept may be an answer of another day.
      return this.#compiled("reload");
    }
  }

  async #compiled(cache) {
    const response = await this.#answer(cache);
    const answered = (what) => Object.assign(new CodeProblem(`${this.#shown} ${what}: ${CURE}`), { answered: true });
    if (!response.ok) throw answered(`is not there (the server answered ${response.status})`);
    const type = (response.headers.get("Content-Type") ?? "").split(";")[0];
    const bytes = await response.arrayBuffer();
    let compiled;
    try {
      compiled = await WebAssembly.compile(bytes);
    } catch {
      const isWasm = String.fromCharCode(...new Uint8Array(bytes.slice(0, 4))) === "\0asm";
      throw answered(isWasm ? "does not compile (it is incomplete or damaged)" : `is no wasm${type ? ` but ${type}` : ""}`);
    }
    try {
      await keepCode(this.#cache, this.#url, bytes);
    } catch (thrown) {
      console.warn(`Longhaul: the worker's wasm could not be kept for starts without a network (${thrown?.name})`);
    }
    return compiled;
  }

  async #answer(cache) {
    const violated = [];
    const note = (violation) => {
      if (hinders(violation, this.#url)) violated.push(violation.effectiveDirective);
    };
    self.addEventListener("securitypolicyviolation", note);
    try {
      return await fetch(this.#url, { cache });
    } catch (thrown) {
      // The event is a task of its own, and may come after the rejection.
      for (let turn = 0; violated.length === 0 && turn < 3; turn += 1) await new Promise((resolve) => setTimeout(resolve, 5));
      const [directive] = violated;
      if (directive) {
        throw policyProblem(
          `the Content-Security-Policy of the worker's own response blocks ${this.#shown}: add its origin to ${directive} there`,
        );
      }
      throw new CodeProblem(
        `${this.#shown} could not be loaded (${thrown?.name}): see that the server can be reached and, if it is another origin, that it allows this one (CORS)`,
      );
    } finally {
      self.removeEventListener("securitypolicyviolation", note);
    }
  }
}

/**
 * Whether a violation is why this address could not be asked for: one that is only reported hinders nothing, and some browsers
 * tell no more than an origin.
 */
function hinders({ disposition, blockedURI }, url) {
  if (disposition === "report") return false;
  try {
    const { origin, pathname } = new URL(blockedURI);
    return origin === url.origin && (pathname === url.pathname || pathname === "/");
  } catch {
    // Of an address without a server its scheme is told.
    return `${blockedURI}:` === url.protocol;
  }
}

/** A worker has the policy that its own script was sent with. */
function checkPolicy() {
  try {
    new WebAssembly.Module(EMPTY_MODULE);
  } catch {
    throw policyProblem(
      "the Content-Security-Policy of the worker's own response forbids WebAssembly: send the script with 'wasm-unsafe-eval' in script-src",
    );
  }
}

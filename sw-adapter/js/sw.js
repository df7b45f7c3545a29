// The package's entry for an app's own service worker, as a module.

import { ofThisBuild } from "../../browser/js/kept-code.js";
import { attachTo } from "./attach.js";

/** A dev server's dependency optimizer moves modules into a folder of its own and leaves their files behind. */
const OPTIMIZED = /\/\.vite\/deps\w*\//;

/**
 * Beside this file, or, where a bundler has made a script of it that does not know its address, beside that. Some bundlers make an
 * object of it that only looks like a URL, and is relative.
 */
const besideUs = () => {
  let named = "longhaul_bg.wasm";
  try {
    named = String(new URL("./longhaul_bg.wasm", import.meta.url));
  } catch {
    // There is no address.
  }
  return new URL(named, self.location.href).href.replace(OPTIMIZED, "/longhaul/");
};

/**
 * Registers Longhaul's listeners. Call it synchronously when the script is first evaluated.
 * @param {import("./sw.js").AttachOptions} [options]
 */
export function attach({ name, serve, takeOver, wasm } = {}) {
  return attachTo({ name, serve, takeOver, wasm: wasm === undefined ? ofThisBuild(besideUs()) : new URL(wasm, self.location.href) });
}

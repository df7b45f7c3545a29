// The package's entry for an app's own service worker, as a module.

import { attachTo, ofThisBuild } from "./attach.js";

/** Beside this file, or, where a bundler has made a script of it that does not know its address, beside that. */
const besideUs = () => {
  try {
    return new URL("./worker_bg.wasm", import.meta.url);
  } catch {
    return new URL("worker_bg.wasm", self.location.href);
  }
};

/**
 * Registers Longhaul's listeners. Call it synchronously when the script is first evaluated.
 * @param {import("./sw.js").AttachOptions} [options]
 */
export function attach({ name, serve, takeOver, wasm } = {}) {
  return attachTo({ name, serve, takeOver, wasm: wasm === undefined ? ofThisBuild(besideUs()) : new URL(wasm, self.location.href) });
}

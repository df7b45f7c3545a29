// The package's entry for an app's own service worker, as a classic script: importScripts("/longhaul/sw.classic.js").

import { ofThisBuild } from "../../browser/js/kept-code.js";
import { attachTo } from "./attach.js";

// A classic script does not know its own address, but a trace of it does: the first address in it is this file's.
const here = /https?:\/\/[^\s()@]+?(?=:\d+(:\d+)?\)?(\s|$))/.exec(new Error().stack ?? "")?.[0] ?? self.location.href;

self.longhaul = {
  attach({ name, serve, takeOver, wasm } = {}) {
    return attachTo({ name, serve, takeOver, wasm: wasm === undefined ? ofThisBuild(new URL("longhaul_bg.wasm", here)) : new URL(wasm, self.location.href) });
  },
};

// Types of "longhaul/sw.classic.js", for a classic service worker: importScripts("/longhaul/sw.classic.js").

import type { attach } from "./sw.js";

declare global {
  /** What importScripts() of `sw.classic.js` leaves in the worker's global scope. */
  var longhaul: { attach: typeof attach };
}

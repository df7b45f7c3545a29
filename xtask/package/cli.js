#!/usr/bin/env node
// `longhaul copy <folder>`: copies what browsers load, for those who serve it by hand.

import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const FILES = {
  "index.js": "the package: `import { open } from \"longhaul\"` leads here",
  "longhaul_glue.js": "loaded by index.js and sw.js",
  "longhaul_bg.wasm": "the code of pages and service workers, loaded once for both",
  "longhaul.worker.js": "the service worker that open() registers by default",
  "sw.js": "attach() for an app's own module worker",
  "sw.classic.js": "attach() for an app's own classic worker: importScripts()",
};

const [command, folder, ...rest] = process.argv.slice(2);
if (command !== "copy" || !folder || rest.length > 0) {
  console.error("usage: longhaul copy <folder>   copies the files that browsers load into the folder, which is made where it is missing");
  process.exit(2);
}
try {
  mkdirSync(folder, { recursive: true });
  for (const [file, what] of Object.entries(FILES)) {
    copyFileSync(fileURLToPath(new URL(file, import.meta.url)), join(folder, file));
    console.log(`${join(folder, file)}: ${what}`);
  }
} catch (error) {
  console.error(`longhaul: nothing more could be copied to ${folder}: ${error.message}`);
  process.exit(1);
}

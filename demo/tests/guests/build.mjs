// Makes the service workers of the sites that the end-to-end tests visit, as the sites' own builds do:
// node build.mjs <folder>. Each kind of worker gets a folder of its own in there.

import { mkdir, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";
import { generateSW, injectManifest } from "workbox-build";

const here = dirname(fileURLToPath(import.meta.url));
const site = { globDirectory: join(here, "site"), globPatterns: ["**/*.html"] };
const wanted = resolve(process.argv[2]);
// Made beside it and moved into its place at the end: whoever finds it finds all of it.
const out = `${wanted}.${process.pid}`;

/** Workers of `generateSW`, with an offline page for navigations that fail. */
async function generated(folder, options) {
  await generateSW({
    ...site,
    ...options,
    swDest: join(out, folder, "sw.js"),
    sourcemap: false,
    runtimeCaching: [
      {
        urlPattern: ({ request }) => request.mode === "navigate",
        handler: "NetworkOnly",
        options: { precacheFallback: { fallbackURL: "/offline.html" } },
      },
      ...(options.runtimeCaching ?? []),
    ],
  });
}

/** Workers of `injectManifest`, bundled as the app's bundler does. */
async function injected(source, format) {
  const bundle = join(out, `${source}.bundle.js`);
  await build({
    entryPoints: [join(here, `${source}.js`)],
    bundle: true,
    format,
    external: ["/longhaul/*"],
    define: { "process.env.NODE_ENV": '"production"' },
    outfile: bundle,
    logLevel: "error",
  });
  await injectManifest({ ...site, swSrc: bundle, swDest: join(out, source, "sw.js") });
  await rm(bundle);
}

await mkdir(out, { recursive: true });
await generated("generated", {});
await generated("attached", { importScripts: ["/attached.js"] });
// Keeps whatever it sees, as many a site does.
await generated("keeps-all", {
  clientsClaim: true,
  skipWaiting: true,
  runtimeCaching: [{ urlPattern: /.*/, handler: "CacheFirst", options: { cacheName: "all" } }],
});
await injected("injected", "iife");
await injected("composed", "esm");
try {
  await rename(out, wanted);
} catch (error) {
  // Another test made it meanwhile.
  if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
  await rm(out, { recursive: true });
}

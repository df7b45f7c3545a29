// The worker of an app that serves stored files by Longhaul and has an answer of its own; it counts what wasm it starts.

import { attach } from "/longhaul/sw.js";

const BUILD = 1;

let started = 0;
for (const name of ["compile", "compileStreaming", "instantiate", "instantiateStreaming"]) {
  const real = WebAssembly[name].bind(WebAssembly);
  WebAssembly[name] = (...given) => {
    started += 1;
    return real(...given);
  };
}

const BEFORE = true;

const ownAnswer = (event) => {
  if (new URL(event.request.url).pathname === "/app/time") event.respondWith(new Response(`build ${BUILD}`));
};
if (BEFORE) addEventListener("fetch", ownAnswer);
attach(OPTIONS);
if (!BEFORE) addEventListener("fetch", ownAnswer);

addEventListener("message", ({ data, ports }) => {
  if (data === "update") skipWaiting();
  if (data === "started?") ports[0].postMessage(started);
});

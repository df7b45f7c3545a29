// The service worker that open() registers where the app has none for it: under a scope of its own, in which no page lies. Its
// name and its wasm stand in its own address.

import { attachTo, ofThisBuild } from "./attach.js";

const asked = new URL(self.location.href).searchParams;

attachTo({
  name: asked.get("name") || undefined,
  wasm: ofThisBuild(asked.get("wasm") ?? "worker_bg.wasm"),
  own: true,
});

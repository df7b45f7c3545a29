// The service worker that open() registers where the app has none for it: under a scope of its own, in which no page lies. Its
// name and its wasm stand in its own address; where that had to stay as the app made it, the name stands in the scope.

import { ofThisBuild } from "../../browser/js/kept-code.js";
import { attachTo } from "./attach.js";

const asked = new URL(self.location.href).searchParams;

/** The name that a scope of ours was made of; undefined where it was not. */
function nameInScope() {
  const folder = /\/longhaul\/([^/]+)\/$/.exec(self.registration.scope)?.[1];
  try {
    return folder && decodeURIComponent(folder.replaceAll("_", "%"));
  } catch {
    return undefined;
  }
}

attachTo({
  name: asked.get("name") || nameInScope(),
  wasm: ofThisBuild(new URL(asked.get("wasm") ?? "longhaul_bg.wasm", self.location.href)),
  own: true,
});

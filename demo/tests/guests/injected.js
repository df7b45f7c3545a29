// A worker as apps write it for Workbox's `injectManifest`: precached files, and a page for when there is no network.

import { matchPrecache, precacheAndRoute } from "workbox-precaching";
import { registerRoute, setCatchHandler } from "workbox-routing";
import { NetworkOnly } from "workbox-strategies";

precacheAndRoute(self.__WB_MANIFEST);
registerRoute(({ request }) => request.mode === "navigate", new NetworkOnly());
setCatchHandler(async ({ request }) =>
  request.mode === "navigate" ? ((await matchPrecache("/offline.html")) ?? Response.error()) : Response.error(),
);

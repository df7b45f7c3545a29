// The same with Longhaul in it: stored files are answered by a route of the app's own.

import { matchPrecache, precacheAndRoute } from "workbox-precaching";
import { registerRoute, setCatchHandler } from "workbox-routing";
import { NetworkOnly } from "workbox-strategies";

import { attach } from "/longhaul/sw.js";

const { match } = attach();

precacheAndRoute(self.__WB_MANIFEST);
registerRoute(
  ({ url }) => url.pathname.startsWith("/models/"),
  async ({ request }) => {
    const stored = await match(request);
    if (!stored) return fetch(request);
    const headers = new Headers(stored.headers);
    headers.set("X-Composed", "yes");
    return new Response(stored.body, { status: stored.status, headers });
  },
);
registerRoute(({ request }) => request.mode === "navigate", new NetworkOnly());
setCatchHandler(async ({ request }) =>
  request.mode === "navigate" ? ((await matchPrecache("/offline.html")) ?? Response.error()) : Response.error(),
);

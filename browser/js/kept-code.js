// Where the wasm is kept for service workers, and what its address is. A page puts there what it has loaded, a worker what it
// had to load itself; a worker looks there before it asks the network.

/**
 * The cache of a registration. Each has code of its own, because an app under another path may be of another build: all builds'
 * begin with `prefix`, and `name` is that of this one.
 */
export function cacheOf(scope) {
  const prefix = `longhaul-code/${encodeURIComponent(scope)}/`;
  return { prefix, name: prefix + __LONGHAUL_BUILD__ };
}

/** The wasm of a build of its own has an address of its own, whatever a cache on the way thinks of the one before. */
export function ofThisBuild(wasm) {
  const url = new URL(wasm);
  if (url.protocol.startsWith("http")) url.searchParams.set("build", __LONGHAUL_BUILD__);
  return url;
}

/** What is kept for an address; undefined where nothing is. */
export const keptCode = (cache, url) => caches.match(url.href, { cacheName: cache.name });

/** Keeps bytes that are known to compile. */
export async function keepCode(cache, url, bytes) {
  const store = await caches.open(cache.name);
  await store.put(url.href, new Response(bytes, { headers: { "Content-Type": "application/wasm" } }));
}

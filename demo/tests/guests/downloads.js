// A worker, dedicated or shared, that downloads what it is told to and says what came of it.

import { open } from "/longhaul/index.js";

const hash = async (blob) => {
  const digest = await crypto.subtle.digest("SHA-256", await blob.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
};

async function download({ options, spec, addresses }) {
  const longhaul = await open(options);
  const asked = await longhaul.request(spec);
  const { phase } = await asked.finished;
  const blobs = [await asked.blob()];
  for (const address of addresses) {
    const stored = await longhaul.match(address);
    if (!stored) throw new Error(`${address} is not found`);
    blobs.push(await stored.blob());
  }
  const [{ event }] = (await longhaul.history({ id: spec.id })).filter(({ event }) => event.type === "started");
  const problem = longhaul.serviceWorker?.problem ?? null;
  longhaul.close();
  return { phase, why: event.why, problem, hashes: await Promise.all(blobs.map(hash)) };
}

async function answer({ data, target }, port = target) {
  try {
    port.postMessage(await download(data));
  } catch ({ name, code, message }) {
    port.postMessage({ error: `${name} ${code} ${message}` });
  }
}

addEventListener("message", answer);
addEventListener("connect", ({ ports: [port] }) => (port.onmessage = (event) => answer(event, port)));

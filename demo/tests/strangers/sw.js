// The worker of an app that has more to do than Longhaul: it has background jobs of its own, and sends messages back to whoever
// sent them. It tells the pages what it did, and what was written to its console.

import { attach } from "/longhaul/sw.js";

const told = new BroadcastChannel("told");

for (const level of ["debug", "log", "info", "warn", "error"]) {
  const write = console[level].bind(console);
  console[level] = (...words) => {
    told.postMessage({ trace: words.map(String).join(" ") });
    write(...words);
  };
}

attach();

addEventListener("message", (event) => event.source.postMessage(event.data));

for (const type of ["backgroundfetchsuccess", "backgroundfetchfail", "backgroundfetchabort"]) {
  addEventListener(type, (event) => event.waitUntil(keep(type, event)));
}

/** What an app of its own does with its job: reads the records, updates the display. */
async function keep(type, event) {
  const { id } = event.registration;
  let sizes = [];
  try {
    const records = await event.registration.matchAll();
    const bodies = await Promise.all(records.map(async (record) => (await record.responseReady).blob()));
    sizes = bodies.map(({ size }) => size);
    if (type === "backgroundfetchsuccess" && !id.startsWith("longhaul/1/longhaul/")) await event.updateUI({ title: "kept" });
  } catch (error) {
    sizes = [String(error)];
  }
  told.postMessage({ type, id, sizes });
}

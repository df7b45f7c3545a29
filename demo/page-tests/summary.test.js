import assert from "node:assert/strict";
import { test } from "node:test";
import { countParts, EVENT_TYPES, originWords, summarize } from "../page/summary.js";

test("each event of the contract reads as a sentence", () => {
  const cases = [
    [{ type: "requested", attempt: 2, spec: { id: "m", resources: [{ url: "https://h/m", bytes: 98_362_432 }] } }, "Asked for 98.4 MB, attempt 2"],
    [{ type: "cached-hit", stored: 98_362_432 }, "98.4 MB were already stored"],
    [
      { type: "started", transfer: 2, transport: "foreground", why: "job-lost", missing: [{ resource: 0, parts: "0-3,7" }], stored: 4_000_000, total: 9_000_000 },
      "Started by this page, 5 parts to fetch, 4.00 MB of 9.00 MB stored before, transfer 2: the background job vanished",
    ],
    [{ type: "started", transfer: 1, transport: "background-fetch", why: "preferred", missing: [{ resource: 0, parts: "0" }], stored: 0 }, "Started by Background Fetch, 1 part to fetch"],
    [{ type: "progress", downloaded: 2000, stored: 1000, total: 3000 }, "2.00 kB downloaded, 1.00 kB stored"],
    [{ type: "waiting", reason: "offline", retries: 0 }, "Waiting for the network to come back"],
    [{ type: "waiting", reason: "backoff", retries: 3 }, "Waiting before the next retry, retries: 3"],
    [{ type: "success", sizes: [1000, 2000], verified: [0] }, "3.00 kB stored, SHA-256 verified"],
    [{ type: "success", sizes: [1000], verified: [] }, "1.00 kB stored, every part measured"],
    [{ type: "failure", reason: "not-found", message: "the server answered 404" }, "The server does not have this file: the server answered 404"],
    [{ type: "aborted", by: "browser" }, "Aborted from the browser’s download list"],
    [{ type: "evicted", by: "removal" }, "No longer stored: deleted by removal"],
  ];
  for (const [event, expected] of cases) assert.equal(summarize(event), expected);
  assert.deepEqual(new Set(cases.map(([{ type }]) => type)), new Set(EVENT_TYPES));
});

test("an event of version 1 reads like the same one of version 2", () => {
  const started = { type: "started", transport: "foreground", missing: [{ resource: 0, parts: "0" }], stored: 0 };
  assert.equal(summarize({ ...started, try: 2, why: "at-rest" }), summarize({ ...started, transfer: 2, why: "stored" }));
  const waiting = { type: "waiting", reason: "backoff" };
  assert.equal(summarize({ ...waiting, try: 3 }), summarize({ ...waiting, retries: 3 }));
});

test("an event without its fields, or with foreign ones, is still described", () => {
  const junk = [undefined, null, 7, "x", [], {}, [null], [{ parts: 7 }]];
  for (const type of EVENT_TYPES) {
    assert.ok(summarize({ type }).length > 0, type);
    for (const value of junk) {
      const event = { type };
      const fields = "attempt spec stored transfer retries try transport why missing total downloaded reason until sizes verified message by".split(" ");
      for (const field of fields) event[field] = value;
      assert.equal(typeof summarize(event), "string", `${type} with ${JSON.stringify(value)}`);
    }
  }
});

test("unknown types show what they carry, and names of Object's own are unknown types too", () => {
  assert.equal(summarize({ type: "renamed", to: "n" }), 'Unknown to this page: renamed {"to":"n"}');
  assert.equal(summarize({ type: "constructor" }), "Unknown to this page: constructor");
  for (const event of [undefined, null, 5, {}, { type: undefined }, { type: { toString: 5 } }]) {
    assert.match(summarize(event), /^Unknown to this page: no type/);
  }
  assert.ok(summarize({ type: "renamed", to: "n".repeat(10_000) }).length < 300);
});

test("runs of part numbers are counted", () => {
  assert.equal(countParts([{ resource: 0, parts: "0-3,7" }, { resource: 1, parts: "0" }]), 6);
  assert.equal(countParts([]), 0);
  assert.equal(countParts([{ resource: 0, parts: "" }]), 0);
  assert.equal(countParts([{ resource: 0, parts: "x-y" }]), undefined);
  assert.equal(countParts("0-3"), undefined);
});

test("origins are one word", () => {
  assert.equal(originWords("service-worker"), "worker");
  assert.equal(originWords("page"), "page");
  assert.equal(originWords({ toString: 5 }), "nobody");
});

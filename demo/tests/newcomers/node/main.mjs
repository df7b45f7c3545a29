// What runs on a server that renders pages: imports harm nothing, `open()` says that this is no browser, `stateAt` works.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { LonghaulError, open, stateAt } from "longhaul";

await assert.rejects(open(), (error) => {
  assert.ok(error instanceof LonghaulError);
  assert.equal(error.code, "unsupported-environment");
  assert.match(error.message, /browser/);
  return true;
});

const lines = readFileSync("history.ndjson", "utf8").trim().split("\n");
const entries = lines.map((line) => JSON.parse(line));
assert.equal((await stateAt(entries)).phase, "evicted");
assert.equal((await stateAt(entries, 7)).phase, "available");

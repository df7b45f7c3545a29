import assert from "node:assert/strict";
import { test } from "node:test";
import { allowedActions, describePhase, endWords, failureWords, isRunning, transportWords, waitingWords } from "../page/phase.js";

const snapshot = (phase, more = {}) => ({ id: "m", phase, attempt: 1, downloaded: 0, stored: 0, seq: 1, at: 0, ...more });

test("a cached hit is called already stored, never a download", () => {
  assert.equal(describePhase(snapshot("available"), { type: "cached-hit" }).label, "Already stored");
  assert.equal(describePhase(snapshot("available"), { type: "success" }).label, "Available");
});

test("a transfer is named after what it is doing", () => {
  const label = (more) => describePhase(snapshot("transferring", more)).label;
  assert.equal(label({ downloaded: 5, total: 10 }), "Downloading");
  assert.equal(label({ downloaded: 10, stored: 5, total: 10 }), "Storing");
  assert.equal(label({ downloaded: 10, stored: 10, total: 10 }), "Verifying");
  assert.equal(label({ downloaded: 5, stored: 5 }), "Downloading");
  assert.equal(label({ waiting: { reason: "offline" } }), "Waiting");
  assert.equal(label({ waiting: { reason: "storing" } }), "Storing");
  assert.equal(label({ waiting: { reason: "verifying" } }), "Verifying");
});

test("a removal is told from an eviction", () => {
  assert.equal(describePhase(snapshot("evicted"), { type: "evicted", by: "removal" }).label, "Removed");
  assert.equal(describePhase(snapshot("evicted"), { type: "evicted", by: "eviction" }).label, "Evicted");
  assert.notEqual(endWords({ type: "evicted", by: "removal" }), endWords({ type: "evicted", by: "eviction" }));
  assert.equal(endWords({ type: "success" }), undefined);
});

test("buttons follow the phase", () => {
  const offered = (...given) =>
    Object.entries(allowedActions(...given))
      .filter(([, allowed]) => allowed)
      .map(([name]) => name)
      .join(" ");
  assert.equal(offered(undefined, true), "download");
  assert.equal(offered(undefined, false), "");
  assert.equal(offered(snapshot("requested"), true), "abort");
  assert.equal(offered(snapshot("transferring"), true), "abort");
  assert.equal(offered(snapshot("available"), true), "download remove forget");
  assert.equal(offered(snapshot("available"), false), "remove forget");
  assert.equal(offered(snapshot("failed"), true), "download retry forget");
  assert.equal(offered(snapshot("failed", { stored: 5 }), false), "retry remove forget");
  assert.equal(offered(snapshot("aborted"), true), "download retry forget");
  assert.equal(offered(snapshot("evicted"), true), "download retry forget");
});

test("every reason of the contract has words of its own, an unknown one is still shown", () => {
  const waits = "queued browser offline unreachable backoff retry-after headers room storing verifying".split(" ");
  const failures =
    "bad-status not-found unauthorized cors unreachable network quota integrity unexpected-type changed truncated lost evicted refused retries-exhausted".split(" ");
  assert.equal(new Set(waits.map(waitingWords)).size, waits.length);
  assert.equal(new Set(failures.map(failureWords)).size, failures.length);
  for (const reason of waits) assert.ok(!waitingWords(reason).includes("("), reason);
  for (const reason of failures) assert.ok(!failureWords(reason).includes("("), reason);
  assert.ok(waitingWords("moonlight").includes("moonlight"));
  assert.ok(failureWords("moonlight").includes("moonlight"));
});

test("only requested and transferring run", () => {
  const running = ["requested", "transferring", "available", "failed", "aborted", "evicted"].filter((phase) => isRunning(snapshot(phase)));
  assert.deepEqual(running, ["requested", "transferring"]);
  assert.equal(isRunning(undefined), false);
  assert.equal(transportWords(undefined), undefined);
});

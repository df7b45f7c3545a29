import assert from "node:assert/strict";
import { test } from "node:test";
import { chronological, closingOf, groupByDownload, Ledger } from "../page/ledger.js";

const entry = (download, seq, at, type = "progress") => ({ download, seq, at, origin: "page", version: 1, event: { type } });

/** A package of nothing but a history that can be changed from outside. */
class Source extends EventTarget {
  entries = [];
  reads = 0;

  async history({ id } = {}) {
    this.reads += 1;
    return this.entries.filter(({ download }) => id === undefined || download === id);
  }

  append(...entries) {
    this.entries.push(...entries);
    for (const detail of entries) this.announce(detail);
  }

  announce(detail) {
    this.dispatchEvent(new CustomEvent("entry", { detail }));
  }
}

const once = (target, type) => new Promise((resolve) => target.addEventListener(type, resolve, { once: true }));

test("live entries are added one by one, without another read", async () => {
  const source = new Source();
  const ledger = new Ledger(source);
  await ledger.load();
  const added = [];
  ledger.addEventListener("added", ({ detail }) => added.push(...detail));
  source.append(entry("a", 1, 10), entry("a", 2, 11), entry("b", 1, 12));
  assert.deepEqual(added, source.entries);
  assert.equal(ledger.size, 3);
  assert.equal(source.reads, 1);
});

test("an entry told twice counts once", async () => {
  const source = new Source();
  const ledger = new Ledger(source);
  await ledger.load();
  source.append(entry("a", 1, 10));
  source.announce(entry("a", 1, 10));
  assert.equal(ledger.size, 1);
  assert.equal(source.reads, 1);
});

test("a gap makes it read that download again", async () => {
  const source = new Source();
  const ledger = new Ledger(source);
  await ledger.load();
  source.append(entry("a", 1, 10));
  source.entries.push(entry("a", 2, 11), entry("a", 3, 12));
  const reset = once(ledger, "reset");
  source.announce(entry("a", 3, 12));
  await reset;
  assert.deepEqual(ledger.of("a").map(({ seq }) => seq), [1, 2, 3]);
});

test("a history that began anew replaces the old one", async () => {
  const source = new Source();
  source.entries = [entry("a", 1, 10), entry("a", 2, 11)];
  const ledger = new Ledger(source);
  await ledger.load();
  source.entries = [];
  const reset = once(ledger, "reset");
  source.append(entry("a", 1, 20));
  await reset;
  assert.deepEqual(ledger.of("a"), [entry("a", 1, 20)]);
});

test("within a download the sequence decides, even where the clock went back", () => {
  const entries = [entry("a", 2, 5), entry("b", 1, 20), entry("a", 1, 10), entry("a", 3, 30)];
  assert.deepEqual(
    chronological(entries).map(({ download, seq }) => `${download}${seq}`),
    ["a1", "a2", "b1", "a3"],
  );
});

test("ids that are names of Object's own are ids like others", () => {
  const groups = groupByDownload([entry("__proto__", 1, 1), entry("constructor", 1, 2)]);
  assert.deepEqual([...groups.keys()], ["__proto__", "constructor"]);
});

test("the closing event is that of the newest attempt", () => {
  const types = (...names) => names.map((name, index) => entry("a", index + 1, index, name));
  assert.equal(closingOf(types("requested", "started", "success"))?.type, "success");
  assert.equal(closingOf(types("requested", "started", "success", "requested", "cached-hit"))?.type, "cached-hit");
  assert.equal(closingOf(types("requested", "started", "success", "evicted"))?.type, "evicted");
  assert.equal(closingOf(types("requested", "failure", "requested", "started")), undefined);
  assert.equal(closingOf([]), undefined);
});

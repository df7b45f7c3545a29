import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, clock, count, countdown, duration, exactBytes, moment, percent, rate, UNKNOWN } from "../page/format.js";

test("bytes are decimal, with three significant digits", () => {
  const cases = [
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.00 kB"],
    [9_994, "9.99 kB"],
    [9_996, "10.0 kB"],
    [99_960, "100 kB"],
    [999_499, "999 kB"],
    [999_500, "1.00 MB"],
    [98_362_432, "98.4 MB"],
    [10_737_418_240, "10.7 GB"],
    [5e15, "5000 TB"],
  ];
  for (const [value, expected] of cases) assert.equal(bytes(value), expected, String(value));
});

test("what is no figure is shown as unknown, never as zero or NaN", () => {
  for (const value of [undefined, null, NaN, Infinity, -1, "12", {}]) {
    assert.equal(bytes(value), UNKNOWN);
    assert.equal(exactBytes(value), UNKNOWN);
    assert.equal(rate(value), UNKNOWN);
    assert.equal(duration(value), UNKNOWN);
  }
  assert.equal(clock("yesterday"), UNKNOWN);
  assert.equal(moment(1e20), UNKNOWN);
});

test("exact bytes group their thousands", () => {
  assert.equal(exactBytes(98_362_432), "98\u2009362\u2009432 bytes");
  assert.equal(exactBytes(1), "1 byte");
  assert.equal(exactBytes(100), "100 bytes");
});

test("a crawl below a kilobyte a second is no rate", () => {
  assert.equal(rate(999), UNKNOWN);
  assert.equal(rate(12_340_000), "12.3 MB/s");
});

test("durations get coarser as they get longer", () => {
  const cases = [
    [0, "0 s"],
    [3.2, "4 s"],
    [59.5, "1 min 00 s"],
    [80, "1 min 20 s"],
    [3600, "1 h 00 min"],
    [7500, "2 h 05 min"],
    [49 * 3600, "2 d 1 h"],
  ];
  for (const [value, expected] of cases) assert.equal(duration(value), expected, String(value));
});

test("a countdown ends at zero", () => {
  assert.equal(countdown(-5), "0:00");
  assert.equal(countdown(6_001), "0:07");
  assert.equal(countdown(3_900_000), "1:05:00");
});

test("a hundred percent means all of it", () => {
  assert.equal(percent(999, 1000), 99);
  assert.equal(percent(1000, 1000), 100);
  assert.equal(percent(1200, 1000), 100);
  assert.equal(percent(0, 0), undefined);
  assert.equal(percent(5, undefined), undefined);
});

test("nouns follow their number", () => {
  assert.equal(count(1, "entry", "entries"), "1 entry");
  assert.equal(count(0, "entry", "entries"), "0 entries");
});

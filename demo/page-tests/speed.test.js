import assert from "node:assert/strict";
import { test } from "node:test";
import { SpeedEstimator, timeLeft } from "../page/speed.js";

/** Feeds `bytesAt(t)` every `every` milliseconds up to `until`, reading the estimate each time as a page does. */
function run(estimator, bytesAt, { from = 0, until, every = 250 }) {
  let last;
  for (let now = from; now <= until; now += every) {
    estimator.add(bytesAt(now), now);
    last = estimator.at(now);
  }
  return last;
}

const within = (actual, expected, share) =>
  assert.ok(Math.abs(actual - expected) <= expected * share, `${actual} is not within ${share * 100} % of ${expected}`);

test("a steady stream is measured right", () => {
  within(run(new SpeedEstimator(), (t) => t * 10_000, { until: 5000 }), 10_000_000, 0.01);
});

test("nothing is claimed in the first second", () => {
  assert.equal(run(new SpeedEstimator(), (t) => t * 10_000, { until: 1000 }), undefined);
});

test("bytes that were there before the first sample are no speed", () => {
  within(run(new SpeedEstimator(), (t) => 50_000_000 + t * 1000, { until: 6000 }), 1_000_000, 0.01);
});

test("bursts of whole parts average out", () => {
  const inParts = (t) => Math.floor((t * 4000) / 4_000_000) * 4_000_000;
  within(run(new SpeedEstimator(), inParts, { until: 30_000 }), 4_000_000, 0.3);
});

test("a stall brings the estimate to zero", () => {
  const estimator = new SpeedEstimator();
  const before = run(estimator, (t) => t * 10_000, { until: 5000 });
  let now = 5000;
  let previous = before;
  for (now = 5250; now <= 12_000; now += 250) {
    const estimate = estimator.at(now);
    assert.ok(estimate <= previous, "an estimate rose while nothing came");
    previous = estimate;
  }
  assert.ok(previous < before / 2);
  assert.equal(estimator.at(14_000), 0);
});

test("a change of pace is followed within the window", () => {
  const estimator = new SpeedEstimator();
  run(estimator, (t) => t * 10_000, { until: 10_000 });
  const slower = run(estimator, (t) => 100_000_000 + (t - 10_000) * 1000, { from: 10_250, until: 25_000 });
  within(slower, 1_000_000, 0.1);
});

test("a figure that falls behind the live ones does not disturb the estimate", () => {
  const estimator = new SpeedEstimator();
  const before = run(estimator, (t) => t * 10_000, { until: 5000 });
  estimator.add(20_000_000, 5000);
  assert.equal(estimator.at(5000), before);
});

test("after a reset nothing is known", () => {
  const estimator = new SpeedEstimator();
  run(estimator, (t) => t * 10_000, { until: 5000 });
  estimator.reset();
  assert.equal(estimator.at(5250), undefined);
});

test("a source that reports on every chunk does not change the estimate", () => {
  within(run(new SpeedEstimator(), (t) => t * 10_000, { until: 6000, every: 7 }), 10_000_000, 0.05);
});

test("time left is only told where it is honest", () => {
  assert.equal(timeLeft(50, 100, 0), undefined);
  assert.equal(timeLeft(50, undefined, 1e6), undefined);
  assert.equal(timeLeft(0, 1e15, 1000), undefined);
  assert.equal(timeLeft(60e6, 100e6, 10e6), 4);
  assert.equal(timeLeft(100, 100, 1e6), 0);
});

// How fast bytes arrive, estimated from live figures that come unevenly: in bursts, in whole parts, or not
// at all for seconds. Pure: the caller passes the time in.

/** Samples older than this many milliseconds no longer count. */
const WINDOW = 8000;
/** A figure is shown once the samples span this many milliseconds. */
const SETTLE = 1200;
/** Samples closer together than this are merged, so that a chatty source cannot flood the window. */
const SPACING = 200;
/** Time constant of the smoothing, in milliseconds. */
const SMOOTHING = 1500;

/**
 * An estimator for one attempt of one download. The estimate is the slope over a sliding window (which a
 * burst cannot throw off for long), eased towards its new value so that the digits stay readable.
 */
export class SpeedEstimator {
  #samples = [];
  #eased;
  #easedAt = 0;

  /** Takes in that `total` bytes had arrived at `now` (milliseconds of any monotonic clock). */
  add(total, now) {
    const samples = this.#samples;
    const last = samples.at(-1);
    // Live figures run ahead of those in the history, so one that falls behind is old news, no step back.
    if (last && total < last.total) return;
    const before = samples.at(-2);
    if (last && before && last.at - before.at < SPACING) {
      last.total = total;
      last.at = Math.max(now, last.at);
      return;
    }
    samples.push({ at: now, total });
  }

  /** Forgets everything, for a new attempt. */
  reset() {
    this.#samples = [];
    this.#eased = undefined;
  }

  /**
   * Bytes a second at `now`, or undefined while too little is known. When nothing arrives the window runs
   * empty and the estimate falls to zero instead of standing still.
   */
  at(now) {
    const samples = this.#samples;
    // One sample older than the window stays as the base line from which the slope is measured.
    while (samples.length > 2 && now - samples[1].at > WINDOW) samples.shift();
    const first = samples[0];
    const last = samples.at(-1);
    if (!first || now - first.at < SETTLE) return undefined;
    const stale = now - last.at > WINDOW;
    const slope = stale ? 0 : ((last.total - first.total) * 1000) / (now - first.at);
    if (this.#eased === undefined || stale) {
      this.#eased = slope;
    } else {
      const weight = 1 - Math.exp(-Math.max(0, now - this.#easedAt) / SMOOTHING);
      this.#eased += (slope - this.#eased) * weight;
    }
    this.#easedAt = now;
    return this.#eased;
  }
}

/**
 * Seconds until `total` at this speed, or undefined where no honest figure exists (unknown size, nothing
 * arriving, or longer than a week).
 */
export function timeLeft(downloaded, total, bytesPerSecond) {
  if (total === undefined || !(bytesPerSecond >= 1000)) return undefined;
  const seconds = Math.max(0, total - downloaded) / bytesPerSecond;
  return seconds < 7 * 24 * 3600 ? seconds : undefined;
}

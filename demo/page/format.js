// Figures and times in words. Pure functions: no DOM, no clock, no locale surprises in the tests
// (units and digits are fixed; only `clock` follows the reader's time zone).

/** What stands where a figure is not known. */
export const UNKNOWN = "–";

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/**
 * A number of bytes in decimal units and three significant digits: `98362432` is `98.4 MB`.
 * Anything that is no finite number of at least zero is the unknown sign.
 */
export function bytes(value) {
  if (!isFigure(value)) return UNKNOWN;
  let unit = 0;
  let figure = value;
  // 999.5 would be rounded to 1000, so the step to the next unit comes just before it.
  while (figure >= 999.5 && unit < UNITS.length - 1) {
    figure /= 1000;
    unit += 1;
  }
  const digits = unit === 0 ? 0 : figure < 9.995 ? 2 : figure < 99.95 ? 1 : 0;
  return `${figure.toFixed(digits)} ${UNITS[unit]}`;
}

/** Bytes in full with thin spaces between the thousands, for tooltips and details: `98 362 432 bytes`. */
export function exactBytes(value) {
  if (!isFigure(value)) return UNKNOWN;
  const digits = String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, "\u2009");
  return `${digits} ${value === 1 ? "byte" : "bytes"}`;
}

/** Bytes a second; below one kilobyte a second the figure says nothing, so it is the unknown sign. */
export function rate(bytesPerSecond) {
  return isFigure(bytesPerSecond) && bytesPerSecond >= 1000 ? `${bytes(bytesPerSecond)}/s` : UNKNOWN;
}

/** Seconds in words, coarser the longer they are: `4 s`, `1 min 20 s`, `2 h 05 min`, `3 d 4 h`. */
export function duration(seconds) {
  if (!isFigure(seconds)) return UNKNOWN;
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${String(whole % 60).padStart(2, "0")} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A countdown to a moment, `0:07` or `1:05:00`; never below zero. */
export function countdown(milliseconds) {
  const whole = Math.max(0, Math.ceil(milliseconds / 1000));
  const seconds = String(whole % 60).padStart(2, "0");
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
}

/** Share of a whole in percent, rounded down so that 100 means all of it; undefined where there is no whole. */
export function percent(part, whole) {
  if (!isFigure(part) || !isFigure(whole) || whole === 0) return undefined;
  return Math.min(100, Math.floor((part / whole) * 100));
}

/** Time of day with milliseconds, in the reader's time zone: `17:04:31.250`. */
export function clock(at) {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return UNKNOWN;
  const two = (figure) => String(figure).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** A moment in full, as ISO 8601 in UTC. */
export function moment(at) {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? UNKNOWN : date.toISOString();
}

/** `1 entry`, `2 entries`. */
export function count(figure, one, many) {
  return `${figure} ${figure === 1 ? one : many}`;
}

function isFigure(value) {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

// What an entry says, in one line of words. Pure: entries come from histories that may be foreign, newer or
// damaged, so nothing here trusts a field to be there or to have its type.

import { bytes, clock, count } from "./format.js";
import { failureWords, transportWords, waitingWords } from "./phase.js";

/** The event types of the contract, in the order of a download's life. */
export const EVENT_TYPES = ["requested", "cached-hit", "started", "progress", "waiting", "success", "failure", "aborted", "evicted"];

const WHY = {
  asked: "the app asked for it",
  missing: "this browser has no Background Fetch",
  "no-worker": "no fitting service worker is active",
  headers: "a background job cannot carry the headers",
  refused: "the browser refused a background job",
  "job-failed": "the background job ended short of everything",
  "job-lost": "the background job vanished",
  stored: "all bytes were stored already",
  // What version 1 called it.
  "at-rest": "all bytes were stored already",
};

const BY = { app: "by the app", browser: "from the browser’s download list", removal: "by removal", eviction: "by the browser" };

const WORDS = {
  requested({ attempt, spec }) {
    const resources = Array.isArray(spec?.resources) ? spec.resources : [];
    const size = sum(resources.map((resource) => resource?.bytes));
    const files = resources.length > 1 ? `, ${resources.length} files` : "";
    return `Asked for${size === undefined ? "" : ` ${bytes(size)}`}${files}${isNumber(attempt) ? `, attempt ${attempt}` : ""}`;
  },
  "cached-hit"({ stored }) {
    return isNumber(stored) ? `${bytes(stored)} were already stored` : "Already stored";
  },
  started({ transport, why, missing, stored, total, transfer, try: inVersion1 }) {
    const number = transfer ?? inVersion1;
    const by = isText(transport) ? ` by ${transportWords(transport)}` : "";
    const parts = countParts(missing);
    const inParts = parts === undefined ? "" : `, ${count(parts, "part", "parts")} to fetch`;
    const kept = isNumber(stored) && stored > 0 ? `, ${bytes(stored)}${isNumber(total) ? ` of ${bytes(total)}` : ""} stored before` : "";
    const again = isNumber(number) && number > 1 ? `, transfer ${number}` : "";
    return `Started${by}${inParts}${kept}${again}${isText(why) && why !== "preferred" ? `: ${WHY[why] ?? why}` : ""}`;
  },
  progress: ({ downloaded, stored }) => `${bytes(downloaded)} downloaded, ${bytes(stored)} stored`,
  waiting({ reason, until, retries, try: inVersion1 }) {
    const number = retries ?? inVersion1;
    const time = isNumber(until) ? `, until ${clock(until).slice(0, 8)}` : "";
    const again = isNumber(number) && number > 0 ? `, retries: ${number}` : "";
    return `Waiting ${waitingWords(String(reason))}${time}${again}`;
  },
  success({ sizes, verified }) {
    const size = Array.isArray(sizes) ? sum(sizes) : undefined;
    const checked = Array.isArray(verified) && verified.length > 0 ? "SHA-256 verified" : "every part measured";
    return `${size === undefined ? "Stored" : `${bytes(size)} stored`}, ${checked}`;
  },
  failure({ reason, message }) {
    const words = failureWords(String(reason));
    return isText(message) ? `${words}: ${message}` : words;
  },
  aborted: ({ by }) => `Aborted${isText(by) ? ` ${BY[by] ?? by}` : ""}`,
  unreadable: ({ text }) => `Cannot be read${isText(text) ? `: ${text.slice(0, 200)}` : ""}`,
  evicted: ({ by }) => `No longer stored: deleted${isText(by) ? ` ${BY[by] ?? by}` : ""}`,
};

/** The type of an entry's event; an imported one may have anything in its place, which no string can be made of. */
export const typeOf = (event) => (typeof event?.type === "string" ? event.type : "no type");

/** The summary of an entry's event; of an unknown type, its name and what it carries. */
export function summarize(event) {
  const type = typeOf(event);
  try {
    if (Object.hasOwn(WORDS, type)) return WORDS[type](event);
  } catch {
    // An imported event may have a known type and any shape.
  }
  const { type: _, ...rest } = event ?? {};
  const text = JSON.stringify(rest);
  return `Unknown to this page: ${type}${text === "{}" ? "" : ` ${text.slice(0, 200)}`}`;
}

/** Who wrote an entry, in one word. */
export const originWords = (origin) => (origin === "service-worker" ? "worker" : isText(origin) ? origin : "nobody");

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const isText = (value) => typeof value === "string" && value !== "";

/** The sum of a list of numbers; undefined where one of them is none. */
function sum(figures) {
  return figures.length > 0 && figures.every(isNumber) ? figures.reduce((total, figure) => total + figure, 0) : undefined;
}

/** How many parts a `started` event names: each resource lists its part numbers as runs, `0-3,7`. */
export function countParts(missing) {
  if (!Array.isArray(missing)) return undefined;
  let parts = 0;
  for (const { parts: runs } of missing.map((item) => item ?? {})) {
    if (typeof runs !== "string") return undefined;
    for (const run of runs.split(",").filter(Boolean)) {
      const [first, last = first] = run.split("-").map(Number);
      if (!(last >= first)) return undefined;
      parts += last - first + 1;
    }
  }
  return parts;
}

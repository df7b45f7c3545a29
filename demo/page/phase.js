// What a snapshot means in words, and which buttons make sense for it. Pure, so that the tests can hold
// every label against every phase.

/** The phases in which an attempt has not ended yet. */
export const isRunning = (snapshot) => snapshot?.phase === "requested" || snapshot?.phase === "transferring";

const WAITS = {
  queued: "for its turn behind another download",
  browser: "for the browser to start its background job",
  offline: "for the network to come back",
  unreachable: "for the server, which does not answer",
  backoff: "before the next retry",
  "retry-after": "as long as the server asked",
  headers: "for a tab that holds the request headers it needs",
  room: "for free storage",
  storing: "for the last bytes to be stored",
  verifying: "for the SHA-256 check",
};

const FAILURES = {
  "bad-status": "The server answered with an error",
  "not-found": "The server does not have this file",
  unauthorized: "The server refused access",
  cors: "The server does not allow this site to read the file",
  unreachable: "The server could not be reached",
  network: "The connection failed",
  quota: "There is not enough storage",
  integrity: "The bytes do not match their SHA-256",
  "unexpected-type": "The server sent a page instead of a file",
  changed: "The file changed on the server",
  truncated: "The file ended too early",
  lost: "The browser lost the download",
  evicted: "Stored parts were evicted by the browser",
  refused: "The browser refused the background job",
  "retries-exhausted": "All tries were used up",
};

/** Why a download waits, as the end of a sentence that begins with "Waiting". */
export const waitingWords = (reason) => WAITS[reason] ?? `(${reason})`;

/** Why a download failed, as a sentence without its full stop. */
export const failureWords = (reason) => FAILURES[reason] ?? `Failed (${reason})`;

const ENDS = {
  "aborted by app": "Stopped in this app.",
  "aborted by browser": "Stopped from the browser’s own download list.",
  "aborted by removal": "Stopped because it was removed.",
  "evicted by removal": "The stored bytes were removed in this app; the history is kept.",
  "evicted by eviction": "The browser, or a person, deleted the stored bytes; the history is kept.",
};

/** A sentence on how a download came to be aborted or gone; undefined for every other closing event. */
export const endWords = (closing) => ENDS[`${closing?.type} by ${closing?.by}`];

/** How bytes travel, in words; undefined where nothing travels yet. */
export function transportWords(transport) {
  if (transport === "background-fetch") return "Background Fetch";
  if (transport === "foreground") return "this page";
  return transport;
}

/**
 * The label and tone of a phase. `closing` is the event that closed the attempt, which is the only thing that
 * tells a cached hit from a download, and a removal from an eviction: the phase alone does not.
 *
 * @returns {{ label: string, tone: "idle" | "busy" | "wait" | "good" | "bad" }}
 */
export function describePhase(snapshot, closing) {
  if (!snapshot) return { label: "Not stored", tone: "idle" };
  switch (snapshot.phase) {
    case "requested":
      return snapshot.waiting ? { label: "Waiting", tone: "wait" } : { label: "Requested", tone: "busy" };
    case "transferring":
      return describeTransfer(snapshot);
    case "available":
      return closing?.type === "cached-hit" ? { label: "Already stored", tone: "good" } : { label: "Available", tone: "good" };
    case "failed":
      return { label: "Failed", tone: "bad" };
    case "aborted":
      return { label: "Aborted", tone: "idle" };
    case "evicted":
      return { label: closing?.by === "removal" ? "Removed" : "Evicted", tone: "idle" };
    default:
      return { label: String(snapshot.phase), tone: "idle" };
  }
}

function describeTransfer({ waiting, downloaded, stored, total }) {
  if (waiting?.reason === "verifying") return { label: "Verifying", tone: "busy" };
  if (waiting?.reason === "storing") return { label: "Storing", tone: "busy" };
  if (waiting) return { label: "Waiting", tone: "wait" };
  if (total !== undefined && stored >= total) return { label: "Verifying", tone: "busy" };
  if (total !== undefined && downloaded >= total) return { label: "Storing", tone: "busy" };
  return { label: "Downloading", tone: "busy" };
}

/**
 * Which commands a card offers. `known` says whether the page knows what to ask for (a model of the server's
 * list); a download without that can still be retried from its history.
 */
export function allowedActions(snapshot, known) {
  const running = isRunning(snapshot);
  const ended = snapshot !== undefined && !running;
  return {
    download: known && !running,
    abort: running,
    retry: ended && snapshot.phase !== "available",
    remove: ended && (snapshot.phase === "available" || snapshot.stored > 0),
    forget: ended,
  };
}

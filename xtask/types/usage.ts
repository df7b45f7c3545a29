// Every API of the package in an app's strict code. Compiled under each module resolution; never run.

import {
  type DownloadSpec,
  type Entry,
  type LonghaulEventMap,
  type OpenOptions,
  type RequestOptions,
  type Snapshot,
  Download,
  Longhaul,
  LonghaulError,
  open,
  stateAt,
} from "longhaul";
import { type AttachOptions, attach } from "longhaul/sw";

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function holds<_T extends true>(): void {}

// Whoever adds to the classes adds a use of it below.
type Own<T> = Exclude<keyof T, keyof EventTarget>;
holds<
  Equal<
    Own<Longhaul>,
    | "serviceWorker"
    | "request"
    | "get"
    | "list"
    | "match"
    | "history"
    | "exportHistory"
    | "importHistory"
    | "estimate"
    | "close"
  >
>();
holds<
  Equal<
    Own<Download>,
    | "id"
    | "snapshot"
    | "finished"
    | "updates"
    | "abort"
    | "retry"
    | "remove"
    | "forget"
    | "blob"
    | "response"
  >
>();
holds<Equal<keyof LonghaulEventMap, "entry" | "change">>();

/** Every way to say which service worker. */
export async function opened(registration: ServiceWorkerRegistration): Promise<Longhaul> {
  const ways: readonly OpenOptions["serviceWorker"][] = [
    undefined,
    false,
    "/sw.js",
    new URL("/sw.js", "https://app.example"),
    registration,
    { url: "/sw.js" },
    { url: new URL("https://app.example/sw.js"), scope: "/", type: "classic" },
  ];
  for (const serviceWorker of ways) await open({ serviceWorker });

  const module = await WebAssembly.compileStreaming(fetch("/longhaul_bg.wasm"));
  const wasms: readonly OpenOptions["wasm"][] = [
    "/longhaul_bg.wasm",
    new URL("https://app.example/longhaul_bg.wasm"),
    await fetch("/longhaul_bg.wasm"),
    new ArrayBuffer(8),
    new Uint8Array(8),
    module,
  ];
  for (const wasm of wasms) await open({ wasm });

  const options: OpenOptions = {
    name: "app",
    transport: "background-fetch",
    partBytes: 2 ** 20,
    parallel: 4,
    retry: { limit: 3, baseMs: 200, maxMs: 1000, unreachableMs: 60_000, stallMs: 10_000 },
  };
  const longhaul = await open(options);
  const { registration: ours, controls, problem } = longhaul.serviceWorker;
  holds<Equal<typeof ours, ServiceWorkerRegistration | undefined>>();
  holds<Equal<typeof controls, boolean>>();
  holds<Equal<typeof problem, string | undefined>>();
  return longhaul;
}

/** A spec that never changes, as an app has it in its constants. */
const MODEL = {
  id: "smollm2",
  title: "SmolLM2 135M",
  icons: [{ src: "/icon.png", sizes: "192x192", type: "image/png", label: "SmolLM2" }],
  secretParams: ["token"],
  resources: [
    "https://models.example/tokenizer.json",
    new URL("https://models.example/config.json"),
    { url: "https://models.example/model.gguf", bytes: 98_362_432, sha256: "b179c952" },
    { url: new URL("https://models.example/vision.gguf") },
  ],
} as const satisfies DownloadSpec;

export async function requested(longhaul: Longhaul): Promise<void> {
  const abort = new AbortController();
  const options: RequestOptions = { signal: abort.signal, headers: { Authorization: "Bearer" } };
  const download: Download = await longhaul.request(MODEL, options);
  await longhaul.request({ id: "one", resources: ["/model.gguf"] }, { headers: [["X-App", "1"]] });

  for await (const snapshot of download.updates()) {
    console.log(snapshot.phase, snapshot.downloaded / (snapshot.total ?? 1));
  }
  try {
    const { phase, stored, attempt } = await download.finished;
    holds<Equal<typeof phase, "available">>();
    console.log(download.id, stored, attempt);
  } catch (error) {
    if (error instanceof LonghaulError) console.log(explained(error));
  }
  console.log(shown(download.snapshot));

  const [, , model] = MODEL.resources;
  const bytes: ArrayBuffer = await (await download.blob(model.url)).arrayBuffer();
  const first: Response = await download.response(new URL(model.url));
  console.log(bytes.byteLength, first.body, await download.blob(), await download.response());

  await download.abort();
  await download.retry();
  await download.remove();
  await download.forget();
}

/** What a person is shown of a download: every phase has fields of its own. */
function shown(snapshot: Snapshot): string {
  const { id, title = id, downloaded, total = downloaded, at, seq, degraded } = snapshot;
  console.log(at, seq, degraded);
  switch (snapshot.phase) {
    case "requested":
      return snapshot.waiting ? `${title} waits: ${snapshot.waiting.reason}` : title;
    case "transferring": {
      const { waiting, transport, live } = snapshot;
      const until = waiting?.until === undefined ? "" : new Date(waiting.until).toISOString();
      return `${title}: ${downloaded} of ${total} by ${transport}, ${live ? "now" : "then"} ${until}`;
    }
    case "failed":
      return `${snapshot.failure.message} (${snapshot.failure.reason})`;
    case "aborted":
    case "evicted":
      return `${title}: gone by ${snapshot.by}`;
    case "available":
      return `${title} is here`;
  }
}

/** The text of an error for a person: every code is known to the compiler, and what comes with it. */
function explained(error: LonghaulError): string {
  switch (error.code) {
    case "quota":
      return "There is not enough room.";
    case "failed":
      return `${error.data.message} (${error.data.reason})`;
    case "invalid-spec":
      return `${error.data.field} is wrong`;
    case "blocked-by-policy":
      return `${error.message} (${error.data.directive})`;
    default:
      return `${error.name}: ${error.message}`;
  }
}

export async function looked(longhaul: Longhaul): Promise<void> {
  longhaul.addEventListener("change", ({ detail }) => console.log(detail.phase, detail.stored));
  const onEntry = ({ detail }: LonghaulEventMap["entry"]) => console.log(detail.seq, detail.event.type);
  longhaul.addEventListener("entry", onEntry, { once: true });
  longhaul.removeEventListener("entry", onEntry);

  const known: Download | undefined = await longhaul.get("smollm2");
  const [snapshot] = await longhaul.list();
  const answer: Response | undefined = await longhaul.match(new Request("/model.gguf"));
  await longhaul.match("/model.gguf");
  await longhaul.match(new URL("https://models.example/model.gguf"));

  const entries: readonly Entry[] = await longhaul.history({ id: "smollm2", after: 3, limit: 10 });
  const told = await longhaul.importHistory(await longhaul.exportHistory());
  const folded = await stateAt(entries, 5);
  const { usage, quota, persisted } = await longhaul.estimate();
  console.log(known?.id, snapshot?.id, answer?.ok, entries.length, told.imported, told.skipped);
  console.log(folded?.phase, (await stateAt(told.entries))?.phase, usage, quota, persisted);
  longhaul.close();
}

/** What an entry says is typed by its type. */
export function said({ event }: Entry): string {
  if (event.type === "started") return event.transport;
  if (event.type === "waiting") return event.reason;
  if (event.type === "failure") return event.message;
  return event.type;
}

/** Every option of the worker's side. */
export function attached(): void {
  const options: AttachOptions = { name: "app", serve: true, takeOver: false, wasm: "/longhaul_bg.wasm" };
  const { match } = attach(options);
  attach({ serve: (url: URL) => url.pathname.startsWith("/models/"), wasm: new URL("https://app.example/w.wasm") });
  const answer: Promise<Response | undefined> = match(new Request("/model.gguf"));
  console.log(answer, attach().match);
}

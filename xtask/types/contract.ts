// The contract for JavaScript, checked against the types of the package as an app sees them: imported by the
// package's name, through its exports. Compiling this file is the test.

import {
  type Download,
  type Entry,
  Longhaul,
  LonghaulError,
  type Snapshot,
  open,
  stateAt,
} from "longhaul";
import { attach } from "longhaul/sw";
import "longhaul/sw.classic.js";

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Is<A, B> = [A] extends [B] ? true : false;
function holds<_T extends true>(): void {}

// What the contract lists is all there is.
holds<
  Equal<
    Snapshot["phase"],
    "requested" | "transferring" | "available" | "failed" | "aborted" | "evicted"
  >
>();
holds<
  Equal<
    Entry["event"]["type"],
    | "requested"
    | "cached-hit"
    | "progress"
    | "success"
    | "failure"
    | "aborted"
    | "started"
    | "waiting"
    | "evicted"
    | "unreadable"
  >
>();
holds<Equal<Entry["origin"], "page" | "service-worker">>();
type In<Phase extends Snapshot["phase"]> = Extract<Snapshot, { phase: Phase }>;
holds<Equal<In<"transferring">["transport"], "background-fetch" | "foreground">>();
holds<Equal<NonNullable<Snapshot["degraded"]>, true>>();
holds<Equal<NonNullable<In<"transferring">["live"]>, true>>();
holds<Is<In<"failed">["failure"], { reason: string; message: string; missingBytes?: number }>>();
holds<Equal<In<"aborted">["by"], "app" | "browser" | "removal">>();
holds<Equal<In<"evicted">["by"], "removal" | "eviction">>();
holds<
  Equal<
    LonghaulError["code"],
    | "invalid-spec"
    | "spec-conflict"
    | "not-available"
    | "ambiguous-resource"
    | "aborted"
    | "removed"
    | "closed"
    | "failed"
    | "storage-unavailable"
    | "newer-database"
    | "quota"
    | "unsupported-environment"
    | "blocked-by-policy"
    | "bug"
  >
>();

// A snapshot and an entry have at least these fields, of these types.
holds<
  Is<
    Snapshot,
    {
      id: string;
      attempt: number;
      downloaded: number;
      stored: number;
      total?: number;
      seq: number;
      at: number;
      title?: string;
    }
  >
>();
holds<Is<Entry, { download: string; seq: number; at: number; version: number }>>();
holds<Is<Longhaul, EventTarget>>();
holds<Is<LonghaulError, Error & { readonly code: string; readonly data?: unknown }>>();

// What each function takes.
type Options = NonNullable<Parameters<typeof open>[0]>;
holds<
  Is<
    {
      name: string;
      serviceWorker:
        | string
        | URL
        | ServiceWorkerRegistration
        | { url: string | URL; scope?: string; type?: WorkerType }
        | false;
      transport: "auto" | "background-fetch" | "foreground";
      partBytes: number;
      parallel: number;
      retry: { limit: number; baseMs: number; maxMs: number; unreachableMs: number };
      wasm: string | URL | Response | BufferSource | WebAssembly.Module;
    },
    Options
  >
>();
holds<Is<Record<never, never>, Options>>();
holds<Equal<NonNullable<Options["transport"]>, "auto" | "background-fetch" | "foreground">>();

type Spec = Parameters<Longhaul["request"]>[0];
holds<
  Is<
    {
      id: string;
      title: string;
      icons: readonly { src: string; sizes: string; type: string }[];
      secretParams: readonly string[];
      resources: readonly (string | URL | { url: string | URL; bytes: number; sha256: string })[];
    },
    Spec
  >
>();
holds<Is<{ id: string; resources: string[] }, Spec>>();
type RequestOptions = NonNullable<Parameters<Longhaul["request"]>[1]>;
holds<Is<{ signal: AbortSignal; headers: Headers }, RequestOptions>>();
holds<Is<{ headers: Record<string, string> }, RequestOptions>>();

// What each function gives.
holds<Equal<ReturnType<typeof open>, Promise<Longhaul>>>();
holds<Equal<ReturnType<Longhaul["request"]>, Promise<Download>>>();
holds<Equal<ReturnType<Longhaul["get"]>, Promise<Download | undefined>>>();
holds<Equal<ReturnType<Longhaul["list"]>, Promise<Snapshot[]>>>();
holds<Equal<ReturnType<Longhaul["match"]>, Promise<Response | undefined>>>();
holds<Equal<ReturnType<Longhaul["history"]>, Promise<Entry[]>>>();
holds<Equal<ReturnType<Longhaul["exportHistory"]>, Promise<Blob>>>();
holds<
  Is<
    Awaited<ReturnType<Longhaul["importHistory"]>>,
    { entries: Entry[]; imported: number; skipped: number }
  >
>();
holds<
  Is<
    Awaited<ReturnType<Longhaul["estimate"]>>,
    { usage?: number; quota?: number; persisted?: boolean }
  >
>();
holds<Is<Download["finished"], Promise<Snapshot>>>();
holds<
  Is<
    Longhaul["serviceWorker"],
    {
      readonly registration?: ServiceWorkerRegistration;
      readonly controls: boolean;
      readonly problem?: string;
    }
  >
>();
holds<Is<ReturnType<Download["updates"]>, AsyncIterable<Snapshot>>>();
for (const command of ["abort", "retry", "remove", "forget"] as const) {
  holds<Equal<ReturnType<Download[typeof command]>, Promise<void>>>();
}
holds<Equal<ReturnType<typeof stateAt>, Promise<Snapshot | undefined>>>();
type Attached = { match(request: Request): Promise<Response | undefined> };
holds<Is<ReturnType<typeof attach>, Attached>>();
holds<Equal<typeof self.longhaul.attach, typeof attach>>();

// An app that uses all of it.
export async function app(): Promise<void> {
  const longhaul = await open({ name: "models", serviceWorker: false });
  longhaul.addEventListener("change", (event) => {
    const snapshot: Snapshot = (event as CustomEvent<Snapshot>).detail;
    console.log(snapshot.phase);
  });
  const download = await longhaul.request(
    { id: "model", title: "A model", resources: ["model.gguf", { url: "rest.bin", bytes: 3 }] },
    { signal: AbortSignal.timeout(1000), headers: [["authorization", "Bearer x"]] },
  );
  for await (const snapshot of download.updates()) {
    console.log(snapshot.stored, snapshot.total ?? "unknown", download.id, download.snapshot.seq);
  }
  try {
    await download.finished;
  } catch (error) {
    if (error instanceof LonghaulError) console.log(error.code, error.data);
    if (error instanceof LonghaulError && error.code === "invalid-spec") console.log(error.data.field);
    if (error instanceof LonghaulError && error.code === "failed") console.log(error.data.reason);
  }
  const blob: Blob = await download.blob("model.gguf");
  const response: Response = await download.response();
  const hit = await longhaul.match(new URL("https://example.org/model.gguf"));
  await longhaul.match(new Request("https://example.org/model.gguf"));
  const { entries } = await longhaul.importHistory(await longhaul.exportHistory());
  await longhaul.history({ id: "model", after: 3, limit: 10 });
  await stateAt(entries, 3);
  console.log(blob.size, response.status, hit?.status, await longhaul.estimate());
  longhaul.close();
  for (const { version, event } of entries) {
    if (event.type === "started") console.log(event.transport, event.why, event.missing[0]?.parts);
    if (event.type === "started" && "transfer" in event) console.log(version, event.transfer);
    if (event.type === "started" && "try" in event) console.log(version, event.try);
    if (event.type === "waiting") console.log(event.reason, event.until, event.message);
    if (event.type === "unreadable") console.log(event.text);
  }
  const { snapshot } = download;
  if (snapshot.phase === "transferring") console.log(snapshot.transport, snapshot.waiting?.reason);
  if (snapshot.phase === "failed") console.log(snapshot.failure.message);
  console.log(longhaul.serviceWorker.registration?.scope, longhaul.serviceWorker.problem);
  attach();
  const { match } = attach({
    name: "models",
    serve: (url) => url.pathname.endsWith(".gguf"),
    takeOver: false,
    wasm: "/longhaul_bg.wasm",
  });
  console.log(await match(new Request("https://example.org/model.gguf")));
  const frozen = Object.freeze(["a.bin", new URL("https://example.org/b.bin")] as const);
  await longhaul.request({ id: "frozen", resources: frozen });
}

// What must not compile.
export function mistakes(longhaul: Longhaul, download: Download): void {
  // @ts-expect-error: a spec has resources
  void longhaul.request({ id: "model" });
  // @ts-expect-error: there is no such transport
  void open({ transport: "pigeon" });
  // @ts-expect-error: an id is read-only
  download.id = "other";
  // @ts-expect-error: snapshots come from the library
  download.snapshot = undefined;
  // @ts-expect-error: only a failed one has a failure
  void (download.snapshot.phase === "available" && download.snapshot.failure);
  // @ts-expect-error: nothing is registered at a number
  void open({ serviceWorker: 5 });
}

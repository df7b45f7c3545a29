// Types of the package "longhaul": the contract with apps. What stands here stays; more may be added.

/** How `open()` sets Longhaul up. */
export interface OpenOptions {
  /** Prefix of database, caches and locks. Default: "longhaul". */
  name?: string;
  /**
   * The service worker for background downloads, in browsers that have them (Chromium).
   *
   * - left out: one of this package's own, `longhaul.worker.js`, under a scope of its own in which no page lies. It disturbs no
   *   other worker of the site, and none disturbs it.
   * - an address, relative to the document: an app's own worker that calls `attach()` of "longhaul/sw". Registered as a module
   *   where nothing holds its scope yet; give `{ url, type: "classic" }` for one that uses importScripts(). What holds the scope
   *   already is used as it is. Another script there is left alone, and used if it calls `attach()`; only the same path under another
   *   query is registered over it.
   * - the address of this package's own `longhaul.worker.js`, which may have a hash in its name, where index.js comes from another
   *   origin or the page demands Trusted Types: as if left out.
   * - a registration: used as it is.
   * - `false`: no background downloads.
   *
   * Why there are none can be read in `Longhaul.serviceWorker.problem`.
   */
  serviceWorker?: WorkerScript | ServiceWorkerRegistration | WorkerOptions | false;
  /** Which transport to use. Default: "auto". */
  transport?: "auto" | "background-fetch" | "foreground";
  /** Size of a part in bytes. Default: about 128 parts to a resource, each from 1 MiB to 64 MiB. */
  partBytes?: number;
  /** Parts that the page fetches at a time. Default: 4. */
  parallel?: number;
  retry?: {
    /** Retries in a row, without a byte between them, after which an attempt fails. Default: 8. */
    limit?: number;
    /** First delay in milliseconds, doubled from retry to retry. Default: 1000. */
    baseMs?: number;
    /** Longest delay in milliseconds. Default: 60000. */
    maxMs?: number;
    /** How long a server may not answer before an attempt fails, in milliseconds. Default: half an hour. */
    unreachableMs?: number;
    /** How long a transfer of the page may bring nothing before it counts as broken, in milliseconds. Default: 30000. */
    stallMs?: number;
  };
  /**
   * Where `longhaul_bg.wasm` is, or what is in it. Default: beside `index.js`. It is the service worker's, too: an http(s) address is told to the
   * package's own worker, and bytes that come from it, or in a `Response` or buffer, are handed over, so that they are loaded once.
   */
  wasm?: string | URL | Response | BufferSource | WebAssembly.Module;
}

/** The address of a script; a `TrustedScriptURL` where the page demands Trusted Types. */
export type WorkerScript = string | URL | TrustedScriptUrl;

/** What TypeScript's own library calls `TrustedScriptURL` where it has it. */
export interface TrustedScriptUrl {
  toString(): string;
  toJSON(): string;
}

/** An app's own service worker. */
export interface WorkerOptions {
  url: WorkerScript;
  /** Relative to the document. Default: the folder of the script. */
  scope?: string;
  /** Default: "module". */
  type?: "classic" | "module";
}

/** An image for the browser's own download display. */
export interface ImageResource {
  src: string | URL;
  sizes?: string;
  type?: string;
  label?: string;
}

/** One file of a download. */
export interface ResourceSpec {
  /** http or https, relative to the document. */
  url: string | URL;
  /** Size in bytes, where it is known; another size is a failure. */
  bytes?: number;
  /** SHA-256, 64 hexadecimal digits; verified over what is stored. */
  sha256?: string;
}

/** What to download. */
export interface DownloadSpec {
  /** The app's name for it, 1 to 512 bytes. */
  id: string;
  title?: string;
  icons?: readonly ImageResource[];
  /** Query parameters that carry credentials: no part of a file's identity, never written into the history. */
  secretParams?: readonly string[];
  /** 1 to 1000 files. */
  resources: readonly (string | URL | ResourceSpec)[];
}

export interface RequestOptions {
  /** Aborts the attempt that is asked for, for every page that shares it. Once that has ended it means nothing any more. */
  signal?: AbortSignal;
  /** Headers for every request to these resources. Kept in memory only, and only in this page. */
  headers?: HeadersInit;
}

export type Phase = "requested" | "transferring" | "available" | "failed" | "aborted" | "evicted";

export type WaitReason =
  | "browser"
  | "offline"
  | "unreachable"
  | "backoff"
  | "retry-after"
  | "headers"
  | "room"
  | "verifying";

export type FailReason =
  | "bad-status"
  | "not-found"
  | "unauthorized"
  | "cors"
  | "unreachable"
  | "network"
  | "quota"
  | "storage"
  | "integrity"
  | "unexpected-type"
  | "changed"
  | "truncated"
  | "lost"
  | "evicted"
  | "refused"
  | "retries-exhausted";

export type Transport = "background-fetch" | "foreground";

/** Why nothing moves. */
export interface Waiting {
  reason: WaitReason;
  /** When it goes on by itself, in milliseconds since 1970, where that is known. */
  until?: number;
}

/** Why an attempt failed for good. */
export interface Failure {
  reason: FailReason;
  /** One sentence for people. */
  message: string;
  /** By how much the browser has too little room, where it tells (`quota`). */
  missingBytes?: number;
}

/** What every snapshot has. Sizes in bytes, times in milliseconds since 1970. */
export interface SnapshotBase {
  id: string;
  /** The latest attempt, from 1. */
  attempt: number;
  /** Bytes received, those stored included. */
  downloaded: number;
  /** Bytes safely stored. */
  stored: number;
  /** Size of the whole download, where it is known. */
  total?: number;
  /** Entries of its history could not be read. */
  degraded?: true;
  /** Number of the last entry. */
  seq: number;
  /** Time of the last entry. */
  at: number;
  title?: string;
}

/** An attempt began; the servers are asked, and a transport is chosen. */
export interface RequestedSnapshot extends SnapshotBase {
  phase: "requested";
  waiting?: Waiting;
}

/** A transfer runs, or waits for its next one. */
export interface TransferringSnapshot extends SnapshotBase {
  phase: "transferring";
  transport: Transport;
  waiting?: Waiting;
  /** The figures are newer than the history. */
  live?: true;
}

/** Every byte is stored, measured and, where a hash was given, verified. */
export interface AvailableSnapshot extends SnapshotBase {
  phase: "available";
}

export interface FailedSnapshot extends SnapshotBase {
  phase: "failed";
  failure: Failure;
}

export interface AbortedSnapshot extends SnapshotBase {
  phase: "aborted";
  /** `removal`: by `remove()` or `forget()` in mid-download. */
  by: "app" | "browser" | "removal";
}

/** What was stored is gone. */
export interface EvictedSnapshot extends SnapshotBase {
  phase: "evicted";
  /** `removal`: by the app. `eviction`: by the browser or a person. */
  by: "removal" | "eviction";
}

/** A download as it is shown. What it has beside the common fields depends on its `phase`. */
export type Snapshot =
  | RequestedSnapshot
  | TransferringSnapshot
  | AvailableSnapshot
  | FailedSnapshot
  | AbortedSnapshot
  | EvictedSnapshot;

/** What tells two versions of a file apart, as its server sent it. */
export type Validator = { etag: string } | { lastModified: string };

/** One version of a file. */
export interface RecordedFile {
  /** Its URL without fragment and without the values of parameters that carry credentials. */
  url: string;
  size?: number;
  validator?: Validator;
  /** Size of a part in bytes; absent: one part. */
  partBytes?: number;
  contentType?: string;
  /** Its server is another origin than the page's. */
  crossOrigin?: true;
}

/** What was asked for, as it is written down: nothing that carries credentials is in it. */
export interface RecordedSpec {
  id: string;
  title?: string;
  secretParams?: string[];
  resources: { url: string; bytes?: number; sha256?: string }[];
  /** Whether requests need headers that only the app can supply. */
  headers?: true;
}

/** An attempt began: the app asked, or Longhaul goes on by itself after a change. */
export interface RequestedEvent {
  type: "requested";
  attempt: number;
  spec: RecordedSpec;
  /** How many attempts in a row began without the app. */
  restarts?: number;
}

/** What was asked for is stored already: the attempt is over. */
export interface CachedHitEvent {
  type: "cached-hit";
  stored: number;
  files?: RecordedFile[];
}

/** A transfer began. */
export interface StartedEvent extends StartedEventBase {
  /** Number of the transfer within the attempt, from 1. */
  transfer: number;
  why: TransportReason;
}

/** The same, in entries of version 1. */
export interface StartedEventV1 extends StartedEventBase {
  try: number;
  why: Exclude<TransportReason, "stored"> | "at-rest";
}

/** What both of them have. */
export interface StartedEventBase {
  type: "started";
  transport: Transport;
  /** The id of the background job, where there is one. */
  registration?: string;
  files: RecordedFile[];
  /** The parts that were not stored, as runs of their numbers: `0-3,7`. */
  missing: { resource: number; parts: string }[];
  stored: number;
  total?: number;
}

/** Why a transport was chosen. */
export type TransportReason =
  | "preferred"
  | "asked"
  | "missing"
  | "no-worker"
  | "headers"
  | "refused"
  | "job-failed"
  | "job-lost"
  | "stored";

export interface ProgressedEvent {
  type: "progress";
  downloaded: number;
  stored: number;
  total?: number;
}

/** Nothing moves, for a reason. */
export interface WaitingEvent extends WaitingEventBase {
  /** Retries since the last progress. */
  retries: number;
}

/** The same, in entries of version 1. */
export interface WaitingEventV1 extends WaitingEventBase {
  try: number;
}

/** What both of them have. */
export interface WaitingEventBase {
  type: "waiting";
  reason: WaitReason;
  /** When it goes on by itself, in milliseconds since 1970. */
  until?: number;
  /** In words, why a job or a request brought nothing. */
  message?: string;
}

export interface SuccessEvent {
  type: "success";
  /** Size of each file in bytes. */
  sizes: number[];
  /** Indices of the files whose hash was verified. */
  verified: number[];
}

export interface FailureEvent extends Failure {
  type: "failure";
  /** Index of the file that is to blame, where one is. */
  resource?: number;
}

export interface AbortedEvent {
  type: "aborted";
  by: "app" | "browser" | "removal";
}

export interface EvictedEvent {
  type: "evicted";
  by: "removal" | "eviction";
}

/** Stands in the place of what is no entry: somebody damaged the database. Its entry has version 0. */
export interface UnreadableEvent {
  type: "unreadable";
  /** What is stored there. */
  text: string;
}

export type EntryEvent =
  | RequestedEvent
  | CachedHitEvent
  | StartedEvent
  | StartedEventV1
  | ProgressedEvent
  | WaitingEvent
  | WaitingEventV1
  | SuccessEvent
  | FailureEvent
  | AbortedEvent
  | EvictedEvent
  | UnreadableEvent;

/** A fact in a download's history. Events of later versions are handed out as they are, whatever their type. */
export interface Entry {
  download: string;
  /** Counts within the download, from 1, without gaps. */
  seq: number;
  /** In milliseconds since 1970. */
  at: number;
  origin: "page" | "service-worker";
  /** Format of the event. It is handed out as it is stored: earlier versions have the events whose type ends in `V1`. */
  version: number;
  event: EntryEvent;
}

/** By code: what a `LonghaulError` has as `data`. */
export interface ErrorData {
  /** A field of the spec is wrong. */
  "invalid-spec": { field: string };
  /** Something else is being downloaded under this id. */
  "spec-conflict": undefined;
  /** There are no bytes to hand out, or nothing to retry. */
  "not-available": undefined;
  /** Several files, and no URL was given. */
  "ambiguous-resource": undefined;
  aborted: undefined;
  removed: undefined;
  closed: undefined;
  /** The attempt failed: the snapshot's `failure`. */
  failed: Failure;
  /** No HTTPS, a private window, a sandboxed frame, blocked or damaged storage. */
  "storage-unavailable": { name: string } | undefined;
  /** The database was written by a newer version of this package. */
  "newer-database": undefined;
  quota: undefined;
  /** No browser, no WebAssembly, or the package's wasm could not be loaded: from where, and what was answered. */
  "unsupported-environment": { url?: string; status?: number; type?: string; name?: string } | undefined;
  /** A Content-Security-Policy forbids it: which directive. */
  "blocked-by-policy": { directive: string; name?: string };
  /** We are wrong: please report it. */
  bug: { name?: string };
}

export type ErrorCode = keyof ErrorData;

/** An error with a code; its `data` has the code's type. */
export interface LonghaulErrorOf<Code extends ErrorCode> extends Error {
  readonly code: Code;
  readonly data: ErrorData[Code];
}

/**
 * What every call rejects with, but for a TypeError where an option has the wrong type, or a URL is none. Tell them apart by
 * `code`, and `data` has its type.
 */
export type LonghaulError = { [Code in ErrorCode]: LonghaulErrorOf<Code> }[ErrorCode];

export const LonghaulError: {
  new <Code extends ErrorCode>(code: Code, message: string, data?: ErrorData[Code]): LonghaulErrorOf<Code>;
  readonly prototype: LonghaulErrorOf<ErrorCode>;
  [Symbol.hasInstance](value: unknown): value is LonghaulError;
};

/** The service worker that a page uses for background downloads. */
export interface WorkerState {
  readonly registration?: ServiceWorkerRegistration;
  /** Whether it controls this page. One of the package's own never does. */
  readonly controls: boolean;
  /** Why there are no background downloads just now, in a sentence that names the cause and the cure. */
  readonly problem?: string;
}

export interface LonghaulEventMap {
  entry: CustomEvent<Entry>;
  change: CustomEvent<Snapshot>;
}

/** All downloads under one name. */
export class Longhaul extends EventTarget {
  private constructor();
  /** What there is now; it may still change. `open()` waits two to three seconds for a worker at most. */
  readonly serviceWorker: WorkerState;
  /** Has this downloaded, by the least work: attaches to what runs, finds it stored, or begins an attempt. */
  request(spec: DownloadSpec, options?: RequestOptions): Promise<Download>;
  get(id: string): Promise<Download | undefined>;
  list(): Promise<Snapshot[]>;
  /** What is stored for a URL, as a 200 with a streaming body, or undefined. */
  match(url: string | URL | Request): Promise<Response | undefined>;
  /** Entries, of one download or of all. `after` counts within a download and needs `id`. */
  history(filter?: { id?: string; after?: number; limit?: number }): Promise<Entry[]>;
  /** All entries as they are stored, NDJSON: one a line. */
  exportHistory(): Promise<Blob>;
  /** Reads an exported history for viewing: writes nothing, starts nothing. */
  importHistory(ndjson: Blob): Promise<{ entries: Entry[]; imported: number; skipped: number }>;
  estimate(): Promise<{ usage?: number; quota?: number; persisted?: boolean }>;
  /** Lets go: other tabs take over what this one ran, background jobs go on. */
  close(): void;
  addEventListener<K extends keyof LonghaulEventMap>(
    type: K,
    listener: (this: Longhaul, event: LonghaulEventMap[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<K extends keyof LonghaulEventMap>(
    type: K,
    listener: (this: Longhaul, event: LonghaulEventMap[K]) => void,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}

/** One download, as this page sees it. */
export class Download {
  private constructor();
  readonly id: string;
  readonly snapshot: Snapshot;
  /** The end of the attempt that runs or ran last; rejects with a LonghaulError, never as an unhandled rejection. */
  readonly finished: Promise<AvailableSnapshot>;
  /** The present snapshot and every later one; a slow reader gets the latest. Ends when the download is forgotten or Longhaul closed. */
  updates(): AsyncIterable<Snapshot>;
  /** Ends the attempt and drops what it stored, for every page that shares it. */
  abort(): Promise<void>;
  retry(): Promise<void>;
  /** Deletes the bytes and keeps the history. */
  remove(): Promise<void>;
  /** Deletes bytes and history. */
  forget(): Promise<void>;
  /** The bytes. `url` says which where there are several resources. */
  blob(url?: string | URL): Promise<Blob>;
  /** The bytes as a 200 with a streaming body. */
  response(url?: string | URL): Promise<Response>;
}

/**
 * Opens Longhaul in this page, frame or worker, and looks after every download that is under way. Waits for a service worker
 * about a second at most.
 *
 * Rejects with a `LonghaulError` where it cannot work: `unsupported-environment`, `storage-unavailable`, `blocked-by-policy`,
 * `newer-database`.
 */
export function open(options?: OpenOptions): Promise<Longhaul>;

/** The fold of one download's entries, up to and with number `seq`: for viewers and tests, in browsers and in Node. */
export function stateAt(entries: readonly Entry[], seq?: number): Promise<Snapshot | undefined>;

// Types of the package "longhaul": the contract with apps. What stands here stays; more may be added.

/** How `open()` sets Longhaul up. */
export interface OpenOptions {
  /** Prefix of database, caches and locks. Default: "longhaul". */
  name?: string;
  /** The service worker's script, registered as a module worker, relative to the document. Default: "./sw.js". `false`: foreground only. */
  serviceWorker?: string | URL | false;
  /** Which transport to use. Default: "auto". */
  transport?: "auto" | "background-fetch" | "foreground";
  /** Size of a part in bytes. Default: about 128 parts to a resource, each from 1 MiB to 64 MiB. */
  partBytes?: number;
  /** Parts that the page fetches at a time. Default: 4. */
  parallel?: number;
  retry?: {
    /** Failed rounds in a row, without a byte between them, after which an attempt fails. Default: 8. */
    limit?: number;
    /** First delay in milliseconds, doubled from round to round. Default: 1000. */
    baseMs?: number;
    /** Longest delay in milliseconds. Default: 60000. */
    maxMs?: number;
    /** How long a server may not answer before an attempt fails, in milliseconds. Default: half an hour. */
    unreachableMs?: number;
    /** How long a transfer of the page may bring nothing before it counts as broken, in milliseconds. Default: 30000. */
    stallMs?: number;
  };
  /** Where `page_bg.wasm` is, or what is in it. Default: beside `index.js`. */
  wasm?: string | URL | BufferSource;
}

/** An image for the browser's own download display. */
export interface ImageResource {
  src: string;
  sizes?: string;
  type?: string;
  label?: string;
}

/** One file of a download. */
export interface ResourceSpec {
  /** http or https, relative to the document. */
  url: string;
  /** Size in bytes, where it is known; another size is a failure. */
  bytes?: number;
  /** SHA-256, 64 hexadecimal digits; verified over what is at rest. */
  sha256?: string;
}

/** What to download. */
export interface DownloadSpec {
  /** The app's name for it, 1 to 512 bytes. */
  id: string;
  title?: string;
  icons?: ImageResource[];
  /** Query parameters that carry credentials: no part of a file's identity, never written into the history. */
  secretParams?: string[];
  resources: (string | ResourceSpec)[];
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
  | "integrity"
  | "unexpected-type"
  | "changed"
  | "truncated"
  | "lost"
  | "evicted"
  | "refused"
  | "retries-exhausted";

/** A download as it is shown. Sizes in bytes, times in milliseconds since 1970. */
export interface Snapshot {
  id: string;
  phase: Phase;
  attempt: number;
  transport?: "background-fetch" | "foreground";
  /** Bytes received, those at rest included. */
  downloaded: number;
  /** Bytes safe at rest. */
  stored: number;
  total?: number;
  /** Entries of its history could not be read. */
  degraded?: true;
  /** The figures are newer than the history. */
  live?: true;
  waiting?: { reason: WaitReason; until?: number };
  /** `missingBytes`: by how much the browser has too little room, where it tells (`quota`). */
  failure?: { reason: FailReason; message: string; missingBytes?: number };
  /** Who aborted it (`removal`: `remove()` or `forget()` in mid-download), or why its bytes are gone. */
  by?: "app" | "browser" | "removal" | "eviction";
  /** Number of the last entry. */
  seq: number;
  at: number;
  title?: string;
}

/**
 * A fact in a download's history. Where what is stored is no entry (somebody damaged the database), one of version 0 stands
 * in its place, whose event has the type `unreadable` and the stored `text`. Types of later versions are handed out as they are.
 */
export interface Entry {
  download: string;
  /** Counts within the download, from 1, without gaps. */
  seq: number;
  at: number;
  origin: "page" | "service-worker";
  version: number;
  event: {
    type:
      | "requested"
      | "cached-hit"
      | "progress"
      | "success"
      | "failure"
      | "aborted"
      | "started"
      | "waiting"
      | "evicted";
    [key: string]: unknown;
  };
}

export type ErrorCode =
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
  | "bug";

/** What every call rejects with, but for a TypeError where an option has the wrong type, or a URL is none. */
export class LonghaulError extends Error {
  constructor(code: string, message: string, data?: unknown);
  readonly code: ErrorCode | (string & {});
  /** `invalid-spec`: `{ field }`. `failed`: the snapshot's `failure`. */
  readonly data?: unknown;
}

export interface LonghaulEventMap {
  entry: CustomEvent<Entry>;
  change: CustomEvent<Snapshot>;
}

/** All downloads under one name. */
export class Longhaul extends EventTarget {
  private constructor();
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
  readonly finished: Promise<Snapshot>;
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

/** Opens Longhaul in this page: registers the service worker and looks after every download that is under way. */
export function open(options?: OpenOptions): Promise<Longhaul>;

/** The fold of one download's entries, up to and with number `seq`: for viewers and tests. */
export function stateAt(entries: Entry[], seq?: number): Promise<Snapshot | undefined>;

// Types of the package "longhaul/sw", for an app's own service worker.

export interface AttachOptions {
  /** The `name` that pages give to `open()`. Default: "longhaul". */
  name?: string;
  /**
   * Answer GET and HEAD of stored URLs with the stored bytes, as a server would (Range, If-Range, If-None-Match,
   * If-Modified-Since). A function says for which of them. Default: false.
   *
   * Nothing but URLs of downloads that are stored, or under way, is answered, and no navigation. What is under way may be there by
   * the time it is asked for; what is not is fetched, and no other listener is asked. Which URLs these are is read when the
   * worker starts; what is asked for before that is left to the app and the network. A function must answer synchronously.
   * Of several listeners for `fetch` the first one that answers a
   * request is the last one that is asked.
   */
  serve?: boolean | ((url: URL) => boolean);
  /** Take over from an older worker at once (`skipWaiting()` and `clients.claim()`). Default: false, as the app decides. */
  takeOver?: boolean;
  /**
   * Where `longhaul_bg.wasm` is, relative to the worker's script. Default: beside this module. It is asked for only where no page has handed it
   * over.
   */
  wasm?: string | URL;
}

/** What Longhaul has to offer to the app's own listeners. */
export interface Attached {
  /** What is stored for a request, answered as a server would; undefined where nothing is. For routes of the app's own. */
  match(request: Request): Promise<Response | undefined>;
}

/** Registers Longhaul's listeners. Call it synchronously when the script is first evaluated. */
export function attach(options?: AttachOptions): Attached;

// Types of the package "longhaul/sw", for the service worker's script.

export interface AttachOptions {
  /** The `name` that pages give to `open()`. Default: "longhaul". */
  name?: string;
  /**
   * Answer GETs of stored URLs with the stored bytes, Range included. Never navigations, never Longhaul's own
   * transfers. Default: false.
   *
   * What is stored is known only after the event must be answered, so that Longhaul answers every GET that scripts
   * make, what is not stored by a plain `fetch()`. A worker that answers some of them itself adds its own `fetch`
   * listener before it calls `attach`: of several listeners the first one that answers is the last one that is asked.
   */
  serve?: boolean;
}

/** Registers Longhaul's listeners. Call it synchronously when the script is first evaluated. */
export function attach(options?: AttachOptions): void;

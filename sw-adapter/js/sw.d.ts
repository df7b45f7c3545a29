// Types of the package "longhaul/sw", for the service worker's script.

export interface AttachOptions {
  /** The `name` that pages give to `open()`. Default: "longhaul". */
  name?: string;
  /**
   * Answer GETs of stored URLs with the stored bytes, Range included. Never navigations, never Longhaul's own
   * transfers. Default: false.
   */
  serve?: boolean;
}

/** Registers Longhaul's listeners. Call it synchronously when the script is first evaluated. */
export function attach(options?: AttachOptions): void;

/** An error with a stable `code`; see the list in `index.d.ts`. */
export class LonghaulError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {unknown} [data]
   */
  constructor(code, message, data) {
    super(message);
    this.name = "LonghaulError";
    this.code = code;
    if (data !== undefined) this.data = data;
  }
}

// The language model: wllama (llama.cpp in wasm), fed from the stored Blob. Nothing here knows the page.

const VENDOR = "/vendor/wllama";
/** The first bytes of every GGUF file. */
const MAGIC = "GGUF";
/** Enough for a sentence or two; a model of this size has no more to say. */
const MAX_TOKENS = 48;

/** One loaded model. Only one exists at a time: it takes about its size again in memory. */
export class LanguageModel {
  #wllama;

  /**
   * Loads a GGUF file from a Blob. The bytes are read by wllama's worker piece by piece, never by this page.
   * Rejects with wllama's error where the file is no model or memory is short.
   */
  static async load(blob) {
    // wllama takes any bytes for a model, and stumbles over them with the first question.
    if ((await blob.slice(0, MAGIC.length).text()) !== MAGIC) throw new Error("the stored file is not a GGUF model");
    const { Wllama } = await import(`${VENDOR}/index.js`);
    const wllama = new Wllama(
      { default: `${VENDOR}/wasm/wllama.wasm` },
      { suppressNativeLog: true, logger: { debug() {}, log() {}, warn: console.warn, error: console.error } },
    );
    // Its fall-back for engines without JSPI comes from a foreign server by default. This page loads nothing from elsewhere.
    wllama.setCompat(null);
    try {
      // On the CPU: the same answer on every machine.
      await wllama.loadModel([blob], { n_ctx: 1024, n_parallel: 1, n_gpu_layers: 0, seed: 1 });
    } catch (error) {
      await wllama.exit().catch(() => {});
      throw error;
    }
    const model = new LanguageModel();
    model.#wllama = wllama;
    return model;
  }

  /**
   * Continues a text, always with the likeliest token, and hands each piece to `onText` as it comes.
   * Resolves with the number of tokens; rejects with an AbortError when `signal` fires.
   */
  async complete(prompt, onText, signal) {
    let tokens = 0;
    const answer = this.#wllama.createCompletion({
      prompt,
      max_tokens: MAX_TOKENS,
      temperature: 0,
      // A small model that has finished its thought goes on to another one after a blank line.
      stop: ["\n\n"],
      stream: true,
      abortSignal: signal,
      onData(chunk) {
        const text = chunk.choices?.[0]?.text;
        if (!text || signal.aborted) return;
        tokens += 1;
        onText(text);
      },
    });
    // wllama looks at the signal between two tokens, and never again once it was unloaded.
    await Promise.race([answer, aborted(signal)]);
    return tokens;
  }

  /** Frees the memory. */
  async unload() {
    await this.#wllama.exit();
  }
}

/** Rejects with the signal's reason when it fires. */
function aborted(signal) {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

// The chat box: a stored model answers. The model is loaded on the first question, from storage alone.

import { announce, errorText, h, setText } from "./dom.js";
import { bytes, count } from "./format.js";
import { LanguageModel } from "./llm.js";

/** Expects the markup of `index.html`. */
export class Chat {
  #blobOf;
  #models = [];
  #available = new Set();
  #loaded; // { id, model }
  #busy; // AbortController of the answer that runs
  #parts;

  /**
   * @param {(id: string) => Promise<Blob>} blobOf the stored bytes of a download
   */
  constructor(root, blobOf) {
    this.#blobOf = blobOf;
    this.#parts = Object.fromEntries(
      ["form", "model", "model-row", "input", "send", "stop", "state", "none", "answer", "echo", "output", "error"].map((name) => [
        name,
        root.querySelector(`#chat-${name}`),
      ]),
    );
    const { form, stop, model, input } = this.#parts;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#ask();
    });
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    stop.addEventListener("click", () => this.#busy?.abort());
    model.addEventListener("change", () => this.#render());
    this.#render();
  }

  /** The models the server offers; `chat` tells which of them can talk. */
  offer(models) {
    this.#models = models;
    const talking = models.filter(({ chat }) => chat);
    const { model } = this.#parts;
    model.replaceChildren(...talking.map(({ id, title }) => h("option", { value: id }, title)));
    this.#parts["model-row"].hidden = talking.length < 2;
    this.#render();
  }

  /** Tells whether a download is available now. A model that goes is unloaded. */
  setAvailable(id, available) {
    if (this.#available.has(id) === available) return;
    if (available) this.#available.add(id);
    else this.#available.delete(id);
    if (!available && this.#loaded?.id === id) this.#unload();
    this.#render();
  }

  #unload() {
    this.#busy?.abort();
    const { model } = this.#loaded;
    this.#loaded = undefined;
    model.unload().catch((error) => console.warn("longhaul demo: unloading the model failed", error));
  }

  #chosen() {
    const { model } = this.#parts;
    return this.#models.find(({ id, chat }) => chat && (model.options.length < 2 || id === model.value));
  }

  #render() {
    const { form, none, send, stop, input, state } = this.#parts;
    const chosen = this.#chosen();
    form.hidden = chosen === undefined;
    none.hidden = chosen !== undefined;
    if (!chosen) {
      setText(
        none,
        this.#models.length === 0
          ? "Once a model is offered here and stored, it answers in this box."
          : "The file offered here is test data, not a language model, so there is nothing to chat with.",
      );
      return;
    }
    const ready = this.#available.has(chosen.id);
    send.disabled = !ready || this.#busy !== undefined;
    stop.disabled = this.#busy === undefined;
    input.disabled = !ready;
    if (this.#busy) return;
    if (!ready) setText(state, `Download ${chosen.title} first. It then runs here, without the network.`);
    else if (this.#loaded?.id !== chosen.id) setText(state, "Stored. It is loaded into memory with the first question.");
  }

  async #ask() {
    const chosen = this.#chosen();
    const prompt = this.#parts.input.value;
    if (!chosen || this.#busy || !this.#available.has(chosen.id) || prompt.trim() === "") return;
    const { answer, echo, output, error: errorLine, state } = this.#parts;
    const running = (this.#busy = new AbortController());
    answer.hidden = false;
    errorLine.hidden = true;
    setText(echo, prompt);
    setText(output, "");
    output.setAttribute("aria-busy", "true");
    this.#render();
    try {
      const model = await this.#load(chosen, running.signal);
      setText(state, "Answering");
      const started = performance.now();
      const tokens = await model.complete(prompt, (text) => output.append(text), running.signal);
      const seconds = (performance.now() - started) / 1000;
      setText(state, `${count(tokens, "token", "tokens")} in ${seconds.toFixed(1)} s.`);
      announce(`Answer: ${output.textContent}`);
    } catch (error) {
      if (running.signal.aborted) {
        setText(state, "Stopped.");
      } else {
        errorLine.hidden = false;
        setText(errorLine, `The model could not answer: ${errorText(error)}`);
        setText(state, "");
        // Whatever broke it, the next question begins with a fresh engine.
        if (this.#loaded) this.#unload();
      }
    } finally {
      output.removeAttribute("aria-busy");
      this.#busy = undefined;
      this.#render();
    }
  }

  async #load({ id }, signal) {
    if (this.#loaded?.id === id) return this.#loaded.model;
    if (this.#loaded) {
      await this.#loaded.model.unload();
      this.#loaded = undefined;
    }
    const { state } = this.#parts;
    setText(state, "Opening the stored file");
    const blob = await this.#blobOf(id);
    setText(state, `Loading ${bytes(blob.size)} from storage into memory`);
    const model = await LanguageModel.load(blob);
    // Stopping cannot interrupt the loading itself, so a stopped load is kept for the next question.
    this.#loaded = { id, model };
    if (!this.#available.has(id)) this.#unload();
    signal.throwIfAborted();
    return model;
  }
}

// What a new user's page does with the README's module: here it shows the size and the SHA-256 of what it got.
import { getModel } from "./model.js";

async function show() {
  const out = document.querySelector("#out");
  try {
    const blob = await getModel();
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
    const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    out.textContent = `${blob.size} bytes, ${hex}`;
  } catch (error) {
    out.textContent = `${error.code ?? error.name}: ${error.message}`;
  }
}

show();

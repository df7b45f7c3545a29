"use client";

import { useEffect, useState } from "react";
import { getModel } from "../model.js";

export default function Page() {
  const [text, setText] = useState("");
  useEffect(() => {
    show().then(setText, (error) => setText(`${error.code ?? error.name}: ${error.message}`));
  }, []);
  return <p id="out">{text}</p>;
}

async function show() {
  const blob = await getModel();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${blob.size} bytes, ${hex}`;
}

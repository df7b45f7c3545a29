import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";

const page = new URL("../page/", import.meta.url);
const text = (name) => readFile(new URL(name, page), "utf8");

test("the service worker keeps every file of the page for offline starts", async () => {
  const kept = [...(await text("sw.js")).match(/const PRECACHE = \[([^\]]*)\]/)[1].matchAll(/"([^"]+)"/g)].map(([, path]) => path);
  const files = (await readdir(page)).filter((name) => /\.(js|css)$/.test(name) && name !== "sw.js");
  assert.ok(files.length > 5);
  for (const name of files) assert.ok(kept.includes(`/${name}`), `${name} is missing in PRECACHE`);
  for (const path of kept.filter((path) => !path.startsWith("/longhaul/") && path !== "/")) await text(path.slice(1));
});

test("the page needs no inline script, style or handler, and nothing from elsewhere", async () => {
  const html = await text("index.html");
  assert.doesNotMatch(html, /<script(?![^>]*\ssrc=)/);
  assert.doesNotMatch(html, /<style|\sstyle=|\son\w+=/);
  for (const name of (await readdir(page)).filter((name) => /\.(js|css|html)$/.test(name))) {
    assert.doesNotMatch(await text(name), /innerHTML|outerHTML|insertAdjacentHTML|document\.write|https?:\/\//, name);
  }
});

test("every id a module looks up is in the page", async () => {
  const html = await text("index.html");
  const ids = new Set([...html.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id));
  for (const name of (await readdir(page)).filter((name) => name.endsWith(".js"))) {
    for (const [, id] of (await text(name)).matchAll(/(?:byId\(|getElementById\(|querySelector\()["'`]#?([\w-]+)["'`]\)/g)) {
      assert.ok(ids.has(id), `${name} looks for #${id}`);
    }
  }
  for (const [, target] of html.matchAll(/\s(?:for|aria-labelledby)="([^"]+)"/g)) assert.ok(ids.has(target), `nothing has the id ${target}`);
});

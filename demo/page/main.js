// The demo page over the package `longhaul`: models, chat, event log. A plain page of ES modules; all that it
// knows about a download it knows from the package's public contract.
//
// Hooks for tests from outside (data-testid):
//   card-<id>                       a download's card; data-tone: idle, busy, wait, good, bad
//     phase                         its label; data-phase is the raw phase ("none" before the first request),
//                                   data-closing the type of the event that closed the attempt
//     downloaded, stored, total     figures; data-bytes has the exact number; downloaded is hidden after a cached hit
//     speed, time-left, transport, attempt
//     waiting, failure, note        sentences, hidden where they say nothing; failure has data-reason
//     card-error                    the rejection of the last command
//     btn-download, btn-abort, btn-retry, btn-remove, btn-forget
//   log-row                         an entry; data-download, data-seq, data-type
//   log-filter-download             option values are "=" and the id, or empty for all
//   log-filter-type                 option values are the event types, or empty for all
//   log-export, log-import (the file input), log-banner, log-count, log-more
//   details, details-entry, details-state
//   chat-input, chat-send, chat-stop, chat-state, chat-output (the answer alone), chat-error
//
// The page's own address takes ?transport=auto|background-fetch|foreground and ?name=, which are handed to open().
// Every other parameter is added to the models' addresses, where the demo server knows many faults on request:
// /?rateTotal=5000000 makes for a slow download.

import { open } from "/longhaul/index.js";
import { Card } from "./cards.js";
import { Chat } from "./chat.js";
import { Details } from "./details.js";
import { errorText, h, setText } from "./dom.js";
import { Facts } from "./facts.js";
import { Ledger } from "./ledger.js";
import { LogView } from "./log.js";

/** How often speed, time left and countdowns are refreshed while a download runs, in milliseconds. */
const TICK = 500;
/** How often the storage figures are read again while a download runs, in milliseconds. */
const ESTIMATE = 3000;

/** The parameters of the page's address that are not for the models'. */
const OWN_PARAMETERS = new Set(["transport", "name"]);

const query = new URLSearchParams(location.search);
const byId = (id) => document.getElementById(id);

const cards = new Map();
const snapshots = new Map();
let models = [];
let longhaul;
let ledger;
let facts;
let chat;

start().catch((error) => {
  complain(`Longhaul could not start: ${errorText(error)}`);
  setText(byId("log-empty"), "The history could not be opened.");
  for (const card of cards.values()) card.close();
  console.error(error);
});

async function start() {
  facts = new Facts(document);
  chat = new Chat(document, async (id) => (await downloadOf(id)).blob());
  // A worker of the page's own, because it also keeps the page itself for starts without the network.
  const opening = open({
    name: query.get("name") ?? undefined,
    transport: query.get("transport") ?? "auto",
    serviceWorker: "/sw.js",
  });
  // The list is shown even where opening takes its time or fails.
  opening.catch(() => {});
  await readModels();
  longhaul = await opening;
  facts.follow(longhaul);
  ledger = new Ledger(longhaul);
  longhaul.addEventListener("change", (event) => show(event.detail));
  await refresh();
  ledger.addEventListener("added", ({ detail }) => detail.forEach(({ download }) => render(download)));
  ledger.addEventListener("reset", () => [...cards.keys()].forEach(render));
  new LogView(document, longhaul, ledger, new Details(byId("details")));
  document.documentElement.dataset.ready = "";
  setInterval(tick, TICK);
  setInterval(() => [...cards.values()].some(({ running }) => running) && facts.estimate(), ESTIMATE);
  addEventListener("online", () => models.length === 0 && readModels());
  // What another tab forgot leaves no entry behind to tell of it.
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && refresh().catch(console.warn));
}

/** Reads everything anew: the history, the state of each download, and which of them are no more. */
async function refresh() {
  await ledger.load();
  const listed = await longhaul.list();
  const ids = new Set(listed.map(({ id }) => id));
  for (const id of cards.keys()) if (!ids.has(id)) drop(id);
  // Figures between entries are newer than the fold of the same entries.
  for (const snapshot of listed) if (!isAhead(snapshots.get(snapshot.id), snapshot)) show(snapshot);
}

const isAhead = (known, snapshot) => known?.live === true && known.seq >= snapshot.seq;

/** Shows that nothing is known of a download any more. */
function drop(id) {
  snapshots.delete(id);
  if (models.some((model) => model.id === id)) {
    render(id);
    return;
  }
  cards.get(id).element.remove();
  cards.delete(id);
  chat.setAvailable(id, false);
}

/** Reads what the server offers; offline the service worker answers with the list of the last visit. */
async function readModels() {
  const message = byId("models-message");
  try {
    const response = await fetch("/api/models");
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    models = (await response.json()).map(normalize);
    message.hidden = models.length > 0;
    setText(message, "The server offers no model.");
  } catch (error) {
    message.hidden = false;
    setText(message, `The list of models could not be read (${errorText(error)}). What is stored is shown below.`);
  }
  for (const { id } of models) {
    // A card made while the list could not be read does not know what it could ask for.
    cards.get(id)?.element.remove();
    cards.delete(id);
    cardOf(id);
    if (ledger) render(id);
  }
  chat.offer(models);
}

/** A model of the server's list; one of a single file may be given without a list of files. */
function normalize(model) {
  const { url, bytes, sha256 } = model;
  return { ...model, resources: model.resources ?? [{ url, bytes, sha256 }] };
}

/** The card of a download, made on first use: the server's models first, then whatever else the history knows. */
function cardOf(id) {
  let card = cards.get(id);
  if (!card) {
    const model = models.find((candidate) => candidate.id === id);
    card = new Card(id, model, (action) => perform(id, action));
    cards.set(id, card);
    byId("cards").append(card.element);
  }
  return card;
}

function show(snapshot) {
  const before = snapshots.get(snapshot.id);
  snapshots.set(snapshot.id, snapshot);
  render(snapshot.id);
  if (before?.phase !== snapshot.phase) facts.estimate();
}

function render(id) {
  const snapshot = snapshots.get(id);
  cardOf(id).update(snapshot, ledger.closing(id));
  chat.setAvailable(id, snapshot?.phase === "available");
}

async function perform(id, action) {
  if (!longhaul) throw new Error("Longhaul has not started yet");
  if (action === "download") {
    await longhaul.request(specOf(models.find((model) => model.id === id)));
    return;
  }
  const download = await downloadOf(id);
  await download[action]();
  if (action === "forget") await refresh();
  facts.estimate();
}

async function downloadOf(id) {
  const download = await longhaul.get(id);
  if (!download) throw new Error("there is no such download any more");
  return download;
}

function specOf({ id, title, resources }) {
  const icons = [192, 512].map((size) => ({ src: `/icons/longhaul-${size}.png`, sizes: `${size}x${size}`, type: "image/png" }));
  return {
    id,
    title,
    icons: icons.map((icon) => ({ ...icon, src: new URL(icon.src, location.href).href })),
    resources: resources.map(({ url, bytes, sha256 }) => ({ url: addressOf(url), bytes, sha256 })),
  };
}

/** A file's full address, with what this page's own address adds to it. */
function addressOf(url) {
  const address = new URL(url, location.href);
  for (const [key, value] of query) if (!OWN_PARAMETERS.has(key)) address.searchParams.set(key, value);
  return address.href;
}

function tick() {
  for (const card of cards.values()) card.tick();
}

function complain(sentence) {
  byId("trouble").append(h("p", { class: "notice notice-bad", role: "alert" }, sentence));
}

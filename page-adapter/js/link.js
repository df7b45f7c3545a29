// The link to the service worker: which one there is, whether it is ours and fit for background jobs, which completions it is
// handling, and, where there are no background jobs, why not.
//
// A guest's manners: what holds a scope is looked at before anything is registered there, and no worker that is not ours is
// ever replaced. Whoever does not answer costs about a second, once.

import { isOwn, ownScopeEnd } from "./choice.js";
import { handOver } from "./code.js";
import { isA, underPolicy, within } from "./context.js";

/** How long an answer is waited for, in milliseconds. A later one is heard all the same. */
const ANSWER_MS = 1000;

/** How long it may take from the beginning until there is an active worker, in milliseconds. */
const ACTIVE_MS = 1500;

/**
 * How long either may take where the app insists on background jobs, in milliseconds: there is nothing else to be tried.
 */
const INSISTENT_MS = 10_000;

/**
 * How long a worker of ours may take to say which completions it is handling, in milliseconds: it is asked where a job is gone,
 * and starting one takes seconds on a busy device.
 */
const HANDLING_MS = 10_000;

/** How long handing the wasm over may take, in milliseconds: a worker can fetch its own. */
const HAND_OVER_MS = 500;

/** For how long a worker that is not fit, or silent, is not asked again, in milliseconds. */
const DOUBTED_MS = 600_000;

/** How long the list of this origin's registrations is good for, in milliseconds. */
const LISTED_MS = 5000;

/**
 * How long it takes at least until a worker of our own that was unregistered is registered again, in milliseconds. Where
 * registering fails it takes twice as long from time to time.
 */
const AGAIN_MS = 30_000;

/** For how long after a look that may have missed jobs an absent one is not a lost one, in milliseconds. */
const UNSEEN_MS = 60_000;

/** Sentences that were written to the console. */
const warned = new Set();

let policy;

/** Whether this browser has background jobs at all. */
const hasJobs = () => "backgroundFetch" in (globalThis.ServiceWorkerRegistration?.prototype ?? {});

/** The browser's service workers, or in words why there are none. */
function serviceWorkers() {
  try {
    const container = navigator.serviceWorker;
    if (container) return { container };
  } catch {
    return { problem: "this frame is sandboxed without allow-same-origin, so that it can have no service worker" };
  }
  if (globalThis.isSecureContext === false) {
    return { problem: "there are service workers on secure pages alone: serve this one by HTTPS, or use localhost" };
  }
  return {
    problem: globalThis.document
      ? "this browser has no service workers here (a private window may be why)"
      : "workers cannot reach service workers: request downloads in a page, which has background jobs",
  };
}

/** A worker that was asked something. */
class Conversation {
  /** What it said first: which completions it is handling, before it knows whether it is fit. */
  said;
  /** All that it had to say. */
  answer;
  at = performance.now();

  constructor(worker, name) {
    const { port1, port2 } = new MessageChannel();
    this.begun = new Promise((begun) => {
      this.heard = new Promise((heard) => {
        port1.onmessage = ({ data }) => {
          this.said = data ?? {};
          begun();
          if (data?.more === true) return;
          this.answer = this.said;
          // A worker may work for several names, and each of them hears the question.
          if (data?.name === name) port1.close();
          heard();
        };
      });
    });
    try {
      worker.postMessage({ longhaul: name, ask: "state" }, [port2]);
    } catch {
      // It is gone, and will never answer.
      port1.close();
    }
  }

  /** The answer, waited for until `ms` milliseconds after the question. */
  async within(ms) {
    if (!this.answer) await within(this.at + ms - performance.now(), this.heard);
    return this.answer;
  }

  /** The same for what it said first. */
  async begunWithin(ms) {
    if (!this.said) await within(this.at + ms - performance.now(), this.begun);
    return this.said;
  }

  isOlderThan(ms) {
    return performance.now() - this.at > ms;
  }
}

const newest = ({ installing, waiting, active }) => installing ?? waiting ?? active;

/** Where a worker came from, without what only it has to know. */
const shown = (url) => String(url).split(/[?#]/)[0];

export class WorkerLink {
  #name;
  #choice;
  #transport;
  #registration;
  #problem;
  /** A problem that comes with where this runs: nothing that the app could change. */
  #given;
  #finding;
  #wasActive = false;
  #begun;
  #setOff;
  #began;
  /** By worker: what it said of itself. */
  #conversations = new WeakMap();
  /** By worker: since when it does not say what it is handling. */
  #silentSince = new WeakMap();
  /** The list of registrations that is good for a while, and the last one that came. */
  #listed;
  #last = [];
  /** When jobs may have been missed. */
  #missedAt = -Infinity;
  /** How long it takes until registering is tried again where it failed. */
  #againMs = AGAIN_MS;
  #hasFailed = false;

  /**
   * @param {string} name
   * @param {ReturnType<import("./choice.js").chosen>} choice
   * @param {"auto" | "background-fetch" | "foreground"} transport
   */
  constructor(name, choice, transport) {
    this.#name = name;
    this.#choice = choice;
    this.#transport = transport;
    this.#begun = new Promise((resolve) => (this.#setOff = resolve));
  }

  /** Begins to look, and to register. Not before it is clear that Longhaul works here: or there were a worker of a page without it. */
  begin() {
    this.#began = performance.now();
    this.#setOff();
    // It never rejects, or there were a reason that nobody is told.
    this.#finding = this.#find().catch((thrown) => {
      this.#hasFailed = true;
      this.#trouble(`no service worker could be had (${thrown?.name}: ${thrown?.message})`);
    });
  }

  /** Waits until it is clear what there is, about a second at most. */
  async settled() {
    await this.#background(ACTIVE_MS, ANSWER_MS);
  }

  get #isForeground() {
    return this.#transport === "foreground";
  }

  /** What `longhaul.serviceWorker` says. */
  get state() {
    const registration = this.#registration;
    const { container } = serviceWorkers();
    const controller = container?.controller;
    const state = { controls: Boolean(controller && registration && controller === registration.active) };
    if (registration) state.registration = registration;
    const problem = this.#problemNow(false);
    if (problem) state.problem = problem;
    return Object.freeze(state);
  }

  /** Whether jobs can be seen from here at all: a dedicated worker reaches no registration, whatever jobs its pages have begun. */
  get seesJobs() {
    return !hasJobs() || serviceWorkers().container !== undefined;
  }

  /** Whether background jobs can be started, and where: `{ word, manager }`, the words being those of the core. */
  background() {
    const insistent = this.#transport === "background-fetch";
    return insistent ? this.#background(INSISTENT_MS, INSISTENT_MS) : this.#background(ACTIVE_MS, ANSWER_MS);
  }

  async #background(activeMs, answerMs) {
    await this.#begun;
    // Nobody is waited for in vain.
    if (this.#isForeground) return { word: "no-worker", manager: this.#registration?.backgroundFetch };
    await within(this.#began + activeMs - performance.now(), this.#finding);
    if (!hasJobs()) return { word: "missing" };
    const registration = this.#registration;
    if (!registration) {
      this.#registerAgain();
      this.#warn(this.#problemNow(false));
      return { word: "no-worker" };
    }
    const manager = registration.backgroundFetch;
    const worker = await this.#activated(registration, activeMs);
    if (!worker) {
      this.#warn(this.#problemNow(false));
      return { word: "no-worker", manager };
    }
    await this.#asked(worker).within(answerMs);
    return { word: this.#problemNow(true) ? "no-worker" : "usable", manager };
  }

  /** Where jobs of ours may be: in each registration of this origin, since an app under another path may share downloads. */
  async managers() {
    const { registrations } = await this.#registrations();
    return registrations.map(({ backgroundFetch }) => backgroundFetch);
  }

  /**
   * Ids of jobs whose completion a worker is handling. Workers answer after the first line of every handler that was under way
   * when they were asked. Undefined where jobs cannot be seen from here, or may have been missed just now: an absent one is not a
   * lost one then.
   */
  async handling() {
    const { registrations, isComplete } = await this.#registrations();
    if (!isComplete || performance.now() - this.#missedAt < UNSEEN_MS) return undefined;
    const handled = await Promise.all(registrations.map((registration) => this.#handledBy(registration)));
    return handled.flat();
  }

  async #handledBy(registration) {
    const worker = registration.active;
    const known = worker && this.#conversations.get(worker)?.said;
    if (!worker || (known && known.name !== this.#name)) return [];
    const patience = known || this.#isOurs(registration) ? HANDLING_MS : ANSWER_MS;
    const silent = performance.now() - (this.#silentSince.get(worker) ?? -Infinity);
    // Whoever was silent is not waited for at every look.
    if (silent > patience && silent < DOUBTED_MS) return [];
    const conversation = new Conversation(worker, this.#name);
    const answer = await conversation.begunWithin(patience);
    if (answer) this.#silentSince.delete(worker);
    else if (!(silent < DOUBTED_MS)) this.#silentSince.set(worker, conversation.at);
    return answer?.name === this.#name && Array.isArray(answer.handling)
      ? answer.handling.filter((id) => typeof id === "string")
      : [];
  }

  /** Whether a registration is one that Longhaul works in, as far as can be known without asking. */
  #isOurs(registration) {
    return registration === this.#registration || registration.scope.endsWith(ownScopeEnd(this.#name));
  }

  /**
   * The registrations of this origin that may have jobs, and whether these are all. A list that is late or fails says nothing: the
   * last one is kept as far as it goes.
   */
  async #registrations() {
    if (!hasJobs()) return { registrations: [], isComplete: true };
    if (!this.#listed || performance.now() - this.#listed.at > LISTED_MS) {
      const { container } = serviceWorkers();
      const all = container?.getRegistrations?.() ?? Promise.resolve();
      const kept = all.then((list) => (this.#last = list ?? this.#last) && list).catch(() => undefined);
      this.#listed = { at: performance.now(), all: within(ANSWER_MS, kept) };
    }
    const isComplete = (await this.#listed.all) !== undefined;
    if (!isComplete) this.#missedAt = performance.now();
    const own = this.#registration;
    const others = own ? this.#last.filter((other) => other !== own && other.scope !== own.scope) : this.#last;
    const all = own ? [own, ...others] : [...others];
    return { registrations: all.filter(({ backgroundFetch }) => backgroundFetch), isComplete };
  }

  /** The active worker; a first one that is on its way is waited for. */
  async #activated(registration, ms) {
    if (registration.active) {
      this.#wasActive = true;
      return registration.active;
    }
    const coming = newest(registration);
    if (!coming) {
      this.#findAgain();
      return undefined;
    }
    const active = new Promise((resolve) => {
      const look = () => {
        if (!registration.active && coming.state !== "redundant") return;
        coming.removeEventListener("statechange", look);
        resolve();
      };
      coming.addEventListener("statechange", look);
      look();
    });
    await within(this.#began + ms - performance.now(), active);
    return registration.active ?? undefined;
  }

  /** Somebody has unregistered it. Our own is registered again. */
  #findAgain() {
    if (!this.#choice.own || performance.now() - this.#began < AGAIN_MS) return;
    this.begin();
  }

  /** Registering failed: the network may be back, or the server mended. */
  #registerAgain() {
    if (!this.#hasFailed || performance.now() - this.#began < this.#againMs) return;
    this.#againMs = Math.min(2 * this.#againMs, DOUBTED_MS);
    this.begin();
  }

  /** The conversation with a worker about what it is; a new one where the last one was in vain and long ago. */
  #asked(worker) {
    const before = this.#conversations.get(worker);
    const fit = before?.answer && !this.#unfit(worker, before);
    return before && (fit || !before.isOlderThan(DOUBTED_MS)) ? before : this.#ask(worker);
  }

  #ask(worker) {
    const conversation = new Conversation(worker, this.#name);
    this.#conversations.set(worker, conversation);
    return conversation;
  }

  /** Why there are no background jobs just now, in a sentence; undefined where there are. */
  #problemNow(say) {
    const registration = this.#registration;
    if (!registration) {
      // As long as there is no problem the script is still waited for.
      return this.#problem ?? `the service worker ${shown(this.#choice.url)} has not been loaded yet: background jobs begin as soon as it is`;
    }
    if (!hasJobs()) return NO_JOBS;
    if (this.#isForeground) return FOREGROUND;
    const worker = registration.active;
    const problem = worker ? this.#unfit(worker, this.#asked(worker)) : this.#inactive(registration);
    return problem && say ? this.#warn(problem) : problem;
  }

  #inactive(registration) {
    const coming = newest(registration);
    if (coming) {
      const wants = this.#choice.own ? " (it may be waiting for longhaul_bg.wasm)" : "";
      const state = coming.state === "installing" ? `its \`install\` has not ended yet${wants}` : "it is not active yet";
      return `the service worker ${shown(coming.scriptURL)} is of no use so far, because ${state}: background jobs begin as soon as it is active`;
    }
    const script = this.#choice.url ? ` ${shown(this.#choice.url)}` : "";
    return this.#wasActive
      ? `the service worker${script} was unregistered: reload the page, and it is registered again`
      : `the service worker${script} was not installed: its own \`install\` failed (a file that it wants to keep may be missing)`;
  }

  #unfit(worker, conversation) {
    const script = shown(worker.scriptURL);
    const answer = conversation?.answer;
    if (!answer && (this.#choice.own || conversation.said || !conversation.isOlderThan(ANSWER_MS))) {
      return `the service worker ${script} has not answered yet (it may still be loading its code): background jobs begin as soon as it does`;
    }
    if (!answer) {
      return `the service worker ${script} does not answer: if it is your app's own, call attach() of "longhaul/sw" in it; without the option \`serviceWorker\` Longhaul brings one of its own`;
    }
    if (answer.name !== this.#name) {
      return `the service worker ${script} works for another name than "${this.#name}": give the same \`name\` to open() and to attach()`;
    }
    if (answer.format !== __LONGHAUL_FORMAT__) {
      return `the service worker ${script} is of another version of Longhaul: deploy both from the same one, and close the other pages of this site, so that the newer worker can take over`;
    }
    return typeof answer.problem === "string" ? `the service worker ${script} cannot do background jobs: ${answer.problem}` : undefined;
  }

  #trouble(problem) {
    this.#problem = this.#warn(problem);
  }

  /** Says a sentence once in a page, where an app can do something about it. */
  #warn(sentence) {
    const quiet = this.#choice.off || sentence === this.#given || sentence === NO_JOBS || sentence === FOREGROUND;
    if (!quiet && !warned.has(sentence)) {
      warned.add(sentence);
      console.warn(`Longhaul: downloads go on only while a page is open: ${sentence}`);
    }
    return sentence;
  }

  /** Finds out which registration is to be used, and registers where nobody is. */
  async #find() {
    const { off, registration, own, inlined, url, scope } = this.#choice;
    this.#hasFailed = false;
    if (off) {
      this.#problem = "switched off: open() was called with `serviceWorker: false`";
      return;
    }
    if (registration) {
      this.#registration = registration;
      return;
    }
    const { container, problem } = serviceWorkers();
    if (problem) {
      this.#problem = this.#given = problem;
      return;
    }
    // A worker of our own is for background jobs alone: where there are none, nothing is registered.
    if (own && !hasJobs()) {
      this.#problem = NO_JOBS;
      return;
    }
    if (own && this.#isForeground) {
      this.#problem = FOREGROUND;
      return;
    }
    if (inlined) {
      this.#trouble(
        "the bundler put longhaul.worker.js or longhaul_bg.wasm into the text of a script, and a service worker must be a file: in Vite lower build.assetsInlineLimit, or copy the files (`npx longhaul copy <folder>`) and pass the address of longhaul.worker.js as `serviceWorker`",
      );
      return;
    }
    if (url.origin !== location.origin) {
      this.#trouble(
        `service workers must come from the page's own origin, and ${shown(url)} does not: copy the package's files to this site (\`npx longhaul copy <folder>\`) and pass the address of longhaul.worker.js there as \`serviceWorker\``,
      );
      return;
    }
    const held = (await container.getRegistrations()).find((registration) => registration.scope === scope);
    const isSame = held && [held.installing, held.waiting, held.active].some((worker) => worker?.scriptURL === url.href);
    if (isSame) {
      this.#registration = held;
      if (!own) return;
      if (!(await this.#letGo(held))) {
        // No page lies in its scope, so that no navigation makes the browser look for a newer one.
        await this.#handOver();
        held.update().catch(() => {});
        return;
      }
      this.#registration = undefined;
    } else if (held && newest(held)) {
      const isOurs = await this.#worksForUs(held);
      if (!this.#mayReplace(held, isOurs)) {
        // A worker of the app's with Longhaul in it will do, whatever its script is called.
        if (isOurs) this.#registration = held;
        else this.#trouble(heldByAnother(scope, newest(held)));
        return;
      }
      const problem = await this.#register(container);
      // An older one that works is better than none; what its answer says decides.
      if (problem && held.active) this.#registration = held;
      else this.#failed(problem);
      return;
    }
    this.#failed(await this.#register(container));
  }

  #failed(problem) {
    if (!problem) return;
    this.#hasFailed = true;
    this.#trouble(problem);
  }

  /**
   * Unregisters our own worker where it is hindered by the policy that its script came with; whether it did. Browsers look at a
   * script's bytes alone, so that no update brings another policy.
   */
  async #letGo(held) {
    if (!held.active) return false;
    const answer = await this.#asked(held.active).within(ANSWER_MS);
    if (answer?.name !== this.#name || answer.byPolicy !== true) return false;
    const jobs = await held.backgroundFetch.getIds().catch(() => ["unknown"]);
    if (jobs.length > 0 || answer.handling?.length > 0) return false;
    return held.unregister();
  }

  async #worksForUs(held) {
    if (!held.active) return false;
    const said = await this.#asked(held.active).begunWithin(ANSWER_MS);
    return said?.name === this.#name;
  }

  /**
   * Whether another script at our scope is an older one of the same: the package's own, or the app's under another query. A
   * script of the app's is not ours because it works for us.
   */
  #mayReplace(held, isOurs) {
    const { own, url } = this.#choice;
    const { scriptURL } = newest(held);
    return own ? isOwn(scriptURL, held.scope, this.#name) : isOurs && new URL(scriptURL).pathname === url.pathname;
  }

  /** What the page has loaded is there before a worker looks for it. */
  async #handOver() {
    const { scope, wasm } = this.#choice;
    await within(HAND_OVER_MS, handOver(scope, wasm));
  }

  /** Registers; in a sentence why not, where that fails. */
  async #register(container) {
    await this.#handOver();
    const { own, url, asked, type, handed } = this.#choice;
    const script = own ? trusted(handed) : handed;
    const options = asked === undefined ? { type } : { type, scope: asked };
    const why = (thrown, directive) => explained(thrown, directive, this.#choice);
    try {
      this.#registration = await underPolicy(url, async () => container.register(script, options), why);
      return undefined;
    } catch (sentence) {
      return typeof sentence === "string" ? sentence : `${shown(url)} could not be registered (${sentence?.name})`;
    }
  }
}

const NO_JOBS = "this browser has no Background Fetch";
const FOREGROUND = 'switched off: open() was called with `transport: "foreground"`';

/** Which script of an app's holds a scope, in full: it may differ from the one that is asked for in its query alone. */
const heldByAnother = (scope, { scriptURL }) =>
  `the scope ${scope} is held by another script, ${scriptURL}, which Longhaul leaves alone: leave out the option \`serviceWorker\`, or call attach() of "longhaul/sw" in that script and pass its address`;

/** The address of our own script, in the form that a page with Trusted Types demands. */
function trusted(url) {
  if (!isA("URL", url)) return url;
  try {
    policy ??= globalThis.trustedTypes?.createPolicy("longhaul", { createScriptURL: (text) => text });
  } catch {
    // The page allows no policy of that name; whether it demands one, registering tells.
  }
  return policy ? policy.createScriptURL(url.href) : url.href;
}

/** Why a worker could not be registered, as a sentence. */
async function explained(thrown, directive, { own, url, scope, type }) {
  const script = shown(url);
  if (directive?.includes("trusted-types") || /Trusted(ScriptURL|Type)/.test(thrown?.message)) {
    return own
      ? "the page demands Trusted Types and allows no policy of ours: say `trusted-types longhaul` in its Content-Security-Policy, or pass a TrustedScriptURL as `serviceWorker`"
      : "the page demands Trusted Types: pass a TrustedScriptURL as `serviceWorker`";
  }
  if (directive) return `the page's Content-Security-Policy blocks ${script}: add 'self' to ${directive === "script-src" ? "worker-src or script-src" : directive}`;
  const answer = await within(3000, answered(url));
  if (answer === UNREACHED) return `${script} ${UNREACHED}: it is asked for again later`;
  if (answer) return `${script} ${answer}: ${own ? "serve it beside index.js (`npx longhaul copy <folder>` copies all that must be served)" : "see that the address is right"}`;
  if (!scope.startsWith(new URL("./", url).href)) {
    return `the scope ${scope} lies outside the folder of ${script}: move the script there, or send it with the header Service-Worker-Allowed`;
  }
  if (thrown?.name === "SecurityError" || thrown?.name === "NotSupportedError") {
    return `the browser refuses service workers here (${thrown.name}): a private window or its settings may be why`;
  }
  const asModule = !own && type === "module" ? '; if it is a classic script (importScripts), pass { url, type: "classic" }' : "";
  return `${script} did not start: it threw, or something that it imports is missing or threw${asModule}`;
}

const UNREACHED = "could not be loaded (the device may be offline, or the server gone)";

/** What is wrong with the answer to a request for a script; undefined where nothing is. */
async function answered(url) {
  try {
    const asked = () => fetch(url, { cache: "no-store", credentials: "same-origin" });
    const response = await underPolicy(url, asked, (_, directive) => ({ directive }));
    response.body?.cancel().catch(() => {});
    if (!response.ok) return `is not there (the server answered ${response.status})`;
    const type = (response.headers.get("Content-Type") ?? "").split(";")[0].trim();
    if (/^text\/html$/i.test(type)) return "is answered with a page of HTML, as some servers do for what they do not have";
    if (!/^(text|application)\/(x-)?(java|ecma)script$/i.test(type)) return `is served as "${type}", and must be as text/javascript`;
    if (response.redirected) return "is answered with a redirect, which browsers do not follow for service workers";
  } catch ({ directive }) {
    // That a page may not read its own script by fetch() is no fault of the script's.
    return directive ? undefined : UNREACHED;
  }
  return undefined;
}

/* As much of a browser as the tracker touches. Real ones are driven by tests/tracker (Python). */
import vm from "node:vm";
import { build, featuresOf } from "../build.mjs";

const cache = new Map();

/** The script with the features of this combination, built once. */
export async function scriptOf(combination) {
  if (!cache.has(combination)) cache.set(combination, new vm.Script(await build(featuresOf(combination))));
  return cache.get(combination);
}

/** A document at `url` with the script's tag in it; `window` overrides what the fake has. */
export class Browser {
  constructor(url = "https://example.com/", { data = {}, window = {}, navigator = {} } = {}) {
    this.sent = []; // {via, url, body} in order
    this.fetches = []; // the options of each
    this.time = 0;
    this.active = true;
    const listeners = {};
    const location = new URL(url);
    const go = (state, title, to) => (to === undefined ? undefined : (location.href = new URL(to, location.href).href));
    const record = (via) => (to, body) => {
      this.sent.push({ via, url: String(to), body: JSON.parse(body) });
      return true;
    };
    const document = {
      currentScript: { dataset: data, src: "https://stats.example.org/tracker.js" },
      documentElement: { scrollHeight: 1000 },
      hasFocus: () => this.active,
      hidden: false,
      prerendering: false,
      referrer: "https://search.example/",
    };
    this.window = {
      URL,
      addEventListener: (type, listener) => (listeners[type] ??= []).push(listener),
      document,
      fetch: async (to, { body, ...options }) => this.fetches.push(options) && record("fetch")(to, body),
      history: { pushState: go, replaceState: go },
      innerHeight: 250,
      location,
      navigator: { sendBeacon: record("beacon"), webdriver: false, ...navigator },
      performance: { now: () => this.time, getEntriesByType: () => [{ responseStatus: 200 }] },
      scrollY: 0,
      ...window,
    };
    this.window.window = this.window;
    this.listeners = listeners;
    vm.createContext(this.window);
  }

  async load(combination = "base") {
    (await scriptOf(combination)).runInContext(this.window);
    return this;
  }

  fire(type, event = {}) {
    for (const listener of this.listeners[type] ?? []) listener({ type, ...event });
  }

  /** The bodies sent since the last call. */
  take() {
    return this.sent.splice(0).map(({ body }) => body);
  }

  names() {
    return this.take().map((body) => body.n);
  }
}

import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser } from "./browser.mjs";

test("a page view carries Plausible's short keys and nothing else", async () => {
  const browser = await new Browser("https://example.com/a?b=1#c", { data: { domain: "example.com" } }).load();
  assert.deepEqual(browser.sent, [
    {
      via: "beacon",
      url: "https://stats.example.org/api/event",
      body: { n: "pageview", u: "https://example.com/a?b=1", d: "example.com", r: "https://search.example/" },
    },
  ]);
});

test("data-api names another endpoint", async () => {
  const browser = await new Browser(undefined, { data: { api: "/own/path" } }).load();
  assert.equal(browser.sent[0].url, "/own/path");
});

test("a refused beacon goes by fetch, once", async () => {
  for (const sendBeacon of [undefined, () => false]) {
    const browser = await new Browser(undefined, { navigator: { sendBeacon } }).load();
    assert.deepEqual(browser.sent.map(({ via }) => via), ["fetch"]);
    assert.deepEqual(browser.fetches, [{ method: "POST", keepalive: true, mode: "no-cors" }]);
  }
});

test("automation and a document without a host send nothing", async () => {
  assert.deepEqual((await new Browser(undefined, { navigator: { webdriver: true } }).load()).sent, []);
  assert.deepEqual((await new Browser("file:///home/page.html").load()).sent, []);
  assert.equal((await new Browser("http://localhost:3000/").load()).sent.length, 1);
});

test("only a new path is a new page view", async () => {
  const browser = await new Browser().load();
  const { history } = browser.window;
  history.pushState(null, "", "/b");
  history.replaceState(null, "", "/b?x=1");
  history.replaceState(null, "");
  history.pushState(null, "", "/b#part");
  browser.fire("popstate");
  browser.fire("pageshow", { persisted: false });
  browser.fire("pagehide", { persisted: true });
  assert.deepEqual(browser.take().map((body) => body.u), ["https://example.com/", "https://example.com/b"]);
});

test("a return from the back/forward cache is a page view", async () => {
  const browser = await new Browser().load();
  browser.fire("pagehide", { persisted: true });
  browser.fire("pageshow", { persisted: true });
  assert.deepEqual(browser.names(), ["pageview", "pageview"]);
});

test("a prerendered document waits, even when its visibility comes first, and when it is thrown away", async () => {
  const browser = new Browser();
  Object.assign(browser.window.document, { hidden: true, prerendering: true });
  await browser.load();
  browser.fire("pagehide");
  browser.window.document.hidden = false;
  browser.fire("visibilitychange");
  assert.deepEqual(browser.names(), []);
  browser.window.document.prerendering = false;
  browser.fire("prerenderingchange");
  assert.deepEqual(browser.names(), ["pageview"]);
});

test("a hidden document counts once, when seen or when left", async () => {
  for (const type of ["visibilitychange", "pagehide"]) {
    const browser = new Browser();
    browser.window.document.hidden = true;
    await browser.load();
    browser.window.statnive("Early");
    browser.fire("visibilitychange");
    assert.deepEqual(browser.names(), []);
    browser.window.document.hidden = type == "pagehide";
    browser.fire(type);
    browser.fire("pagehide");
    assert.deepEqual(browser.names(), ["pageview", "Early"]);
  }
});

test("calls queued by the snippet's stub come after the page view, in order", async () => {
  const stub = () => {};
  stub.q = [["One", { props: { a: 1 } }], ["Two"]];
  const browser = await new Browser(undefined, { window: { statnive: stub } }).load();
  browser.window.statnive("Three");
  assert.deepEqual(browser.names(), ["pageview", "One", "Two", "Three"]);
});

test("what can't be encoded or sent throws nothing", async () => {
  const loop = {};
  loop.loop = loop;
  const sendBeacon = () => {
    throw new TypeError("bad address");
  };
  const browser = await new Browser(undefined, { navigator: { sendBeacon } }).load();
  browser.window.statnive("Loop", { props: loop });
  browser.window.history.pushState(null, "", "/b");
  assert.equal(browser.window.location.pathname, "/b");
});

test("a rejected fetch is not an unhandled rejection", async () => {
  let handled;
  const fetch = () => ({ catch: (handler) => (handled = handler) });
  await new Browser(undefined, { navigator: { sendBeacon: undefined }, window: { fetch } }).load();
  assert.equal(handled(), undefined);
});

test("a second copy of the script does nothing", async () => {
  const browser = await new Browser().load();
  await browser.load();
  browser.window.history.pushState(null, "", "/b");
  assert.deepEqual(browser.names(), ["pageview", "pageview"]);
});

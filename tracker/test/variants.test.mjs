import assert from "node:assert/strict";
import { test } from "node:test";
import { FEATURES, build, featuresOf, fileNameOf } from "../build.mjs";
import { Browser } from "./browser.mjs";

const form = { localName: "form", classList: [] };
const element = (localName, classes = "", more = {}) => ({ localName, classList: classes.split(" "), ...more });
const link = (href, more = {}) => {
  const { host, pathname } = new URL(href);
  return { localName: "a", classList: [], href, host, pathname, hasAttribute: () => false, ...more };
};
const click = (browser, path, more = {}) => browser.fire("click", { button: 0, composedPath: () => path, ...more });

test("every feature alone is a script that runs, and adds to the base", async () => {
  const base = await build([]);
  for (const name of Object.keys(FEATURES)) {
    const code = await build([name]);
    assert.ok(code.length > base.length, name);
    for (const flag of Object.values(FEATURES)) assert.ok(!code.includes(flag), `${flag} in ${name}`);
    assert.deepEqual((await new Browser().load(name)).names(), ["pageview"], name);
  }
});

test("combinations have one name and one content, however they are written", () => {
  assert.deepEqual(featuresOf("revenue+hash+revenue"), ["hash", "revenue"]);
  assert.equal(fileNameOf("revenue+hash+revenue"), "tracker.hash.revenue.js");
  assert.equal(fileNameOf("base"), "tracker.js");
  assert.ok(!featuresOf("all").includes("plausible"));
  assert.throws(() => featuresOf("__proto__"), /unknown feature "__proto__"/);
});

test("hash: the fragment is part of the page", async () => {
  const browser = await new Browser("https://example.com/#/a").load("hash");
  browser.window.location.hash = "#/b";
  browser.fire("hashchange");
  browser.window.location.hash = "#/c";
  browser.fire("popstate");
  browser.fire("hashchange");
  const sent = browser.take();
  assert.deepEqual(sent.map(({ u }) => u), ["a", "b", "c"].map((route) => `https://example.com/#/${route}`));
  assert.ok(sent.every(({ h }) => h === 1));
});

test("404: the status of the answer makes an event that is no interaction", async () => {
  const performance = { now: () => 0, getEntriesByType: () => [{ responseStatus: 404 }] };
  const browser = await new Browser("https://example.com/gone", { window: { performance } }).load("404");
  const [, event] = browser.take();
  assert.deepEqual([event.n, event.p.path, event.i], ["404", "/gone", false]);
  const old = { now: () => 0, getEntriesByType: () => [] };
  assert.deepEqual((await new Browser(undefined, { window: { performance: old } }).load("404")).names(), ["pageview"]);
});

test("revenue goes with its event, and only in its variant", async () => {
  for (const [combination, expected] of [["revenue", { currency: "EUR", amount: 9.9 }], ["base", undefined]]) {
    const browser = await new Browser().load(combination);
    browser.take();
    browser.window.statnive("Purchase", { revenue: { currency: "EUR", amount: 9.9 } });
    assert.deepEqual(browser.take()[0].$, expected);
  }
});

test("outbound links and downloads: one event a click, a download first", async () => {
  const browser = await new Browser().load("outbound-links+file-downloads");
  browser.take();
  click(browser, [element("b"), link("https://other.example/x?y=1")]);
  click(browser, [link("https://cdn.example/report.PDF?token=1")]);
  click(browser, [link("https://example.com/export", { hasAttribute: (name) => name == "download" })]);
  assert.deepEqual(
    browser.take().map(({ n, p }) => [n, p.url]),
    [
      ["Outbound Link: Click", "https://other.example/x?y=1"],
      ["File Download", "https://cdn.example/report.PDF"],
      ["File Download", "https://example.com/export"],
    ],
  );
  click(browser, [link("https://example.com/inside")]);
  click(browser, [link("mailto:someone@example.com", { host: "" })]);
  click(browser, [link("https://other.example/")], { button: 2 });
  click(browser, [element("p"), browser.window.document, browser.window]);
  assert.deepEqual(browser.take(), []);
});

test("tagged elements: classes name the event, its properties and revenue, and win over the link", async () => {
  const browser = await new Browser().load("all");
  browser.take();
  const classes =
    "btn statnive-event-name=Sign+Up plausible-event-plan--pro statnive-revenue-amount=9.90 statnive-revenue-currency=EUR";
  click(browser, [element("span"), link("https://other.example/", { classList: classes.split(" ") })]);
  const [event, ...rest] = browser.take();
  assert.deepEqual(rest, []);
  assert.equal(event.n, "Sign Up");
  assert.deepEqual(event.p, { plan: "pro" });
  assert.deepEqual(event.$, { amount: "9.90", currency: "EUR" });
  click(browser, [element("button", "statnive-event-name=Plain")]);
  assert.deepEqual(browser.take().map(({ n, $ }) => [n, $]), [["Plain", undefined]]);
});

test("forms: a submission is one event, tagged or not, and a click inside is none", async () => {
  const browser = await new Browser("https://example.com/contact").load("form-submissions+tagged-events");
  browser.take();
  const tagged = element("form", "statnive-event-name=Contact");
  browser.fire("submit", { composedPath: () => [form] });
  browser.fire("submit", { composedPath: () => [tagged] });
  click(browser, [element("button"), tagged]);
  const sent = browser.take();
  assert.deepEqual(sent.map(({ n }) => n), ["Form: Submission", "Contact"]);
  assert.deepEqual(sent[0].p, { path: "/contact" });
});

test("engagement: depth and time belong to the page that is left", async () => {
  const browser = await new Browser("https://example.com/a").load("engagement");
  browser.fire("pageshow");
  browser.window.scrollY = 350;
  browser.fire("scroll");
  browser.window.scrollY = 0;
  browser.time = 5000;
  // The router has put the next, short page there before it calls pushState.
  browser.window.document.documentElement.scrollHeight = 250;
  browser.window.history.pushState(null, "", "/b");
  const [, engagement, next] = browser.take();
  assert.deepEqual(engagement, {
    n: "engagement", u: "https://example.com/a", r: "https://search.example/", sd: 60, e: 5000,
  });
  assert.equal(next.u, "https://example.com/b");
  browser.time = 6000;
  browser.fire("pagehide");
  const [last] = browser.take();
  assert.deepEqual([last.u, last.sd, last.e], ["https://example.com/b", 100, 1000]);
});

test("engagement: depth is of the document as it is at the end, and at most the whole of it", async () => {
  const browser = await new Browser().load("engagement");
  browser.fire("pageshow");
  browser.take();
  browser.window.document.documentElement.scrollHeight = 2000; // pictures came
  browser.fire("blur");
  browser.window.scrollY = 1800; // beyond the end, as a touch screen lets it
  browser.fire("blur");
  assert.deepEqual(browser.take().map(({ sd }) => sd), [13, 100]);
});

test("engagement: time without focus or sight is not counted", async () => {
  const browser = await new Browser().load("engagement");
  browser.take();
  browser.time = 1000;
  browser.active = false;
  browser.fire("blur");
  assert.deepEqual(browser.take().map(({ sd, e }) => [sd, e]), [[25, 1000]]);
  browser.time = 60_000;
  browser.active = true;
  browser.fire("focus");
  browser.time = 62_000;
  browser.window.document.hidden = true;
  browser.fire("visibilitychange");
  assert.deepEqual(browser.take(), [], "two seconds and no deeper: not worth a request");
  browser.window.document.hidden = false;
  browser.time = 90_000;
  browser.fire("visibilitychange");
  browser.time = 92_000;
  browser.fire("pagehide");
  assert.deepEqual(browser.take().map(({ e }) => e), [4000]);
  browser.fire("visibilitychange");
  assert.deepEqual(browser.take(), [], "the end is told once");
});

test("engagement: nothing before the page view, nothing out of the back/forward cache", async () => {
  const browser = new Browser();
  browser.window.document.hidden = true;
  await browser.load("engagement");
  browser.fire("blur");
  browser.time = 5000;
  browser.window.document.hidden = false;
  browser.fire("visibilitychange");
  assert.deepEqual(browser.names(), ["pageview"]);
  browser.fire("pagehide", { persisted: true });
  browser.take();
  browser.time = 900_000;
  browser.fire("pageshow", { persisted: true });
  assert.deepEqual(browser.names(), ["pageview"]);
  browser.time = 901_000;
  browser.fire("pagehide");
  assert.deepEqual(browser.take().map(({ e }) => e), [1000]);
});

test("plausible: its global, its queue and its callback are answered, under automation too", async () => {
  const stub = () => {};
  stub.q = [["Early"]];
  const browser = await new Browser(undefined, { window: { plausible: stub } }).load("plausible");
  assert.deepEqual(browser.names(), ["pageview", "Early"]);
  let called = 0;
  browser.window.plausible("Signup", { callback: () => called++ });
  const driven = await new Browser(undefined, { navigator: { webdriver: true } }).load("plausible");
  driven.window.plausible("Signup", { callback: () => called++ });
  assert.equal(called, 2);
});

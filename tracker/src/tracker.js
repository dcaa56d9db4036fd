/* The browser script of statnive.
 *
 * One source. The names in CAPITALS are build flags (build.mjs); what a flag turns off is not in the output.
 * Rules that every line keeps: nothing is stored in the browser, nothing is waited for, nothing throws into the page,
 * and with the server gone the page behaves as if this script were not there.
 */
(() => {
  const script = document.currentScript;
  const endpoint = script.dataset.api || new URL("/api/event", script.src);
  const stub = window.statnive || (PLAUSIBLE && window.plausible) || {};
  // A second copy (one in the theme, one in the tag manager; Turbo running the body again) would count twice.
  if (stub.on) return;

  // Calls made before the first page view is counted: a visit starts with a page, not with a custom event.
  const queue = stub.q || [];
  // The page counted last; falsy until the first page view, and again after a return from the back/forward cache.
  let counted;

  const here = () => (HASH ? location.pathname + location.hash : location.pathname);
  // The fragment leaves the browser only where it is the route: elsewhere it may hold a token.
  const address = () => (HASH ? location.href : location.href.split("#")[0]);

  const send = (name, options, engagement) => {
    options = options || {};
    // A document without a host (file:, about:srcdoc) belongs to no site. localhost does, if the operator adds it.
    if (!navigator.webdriver && location.host) {
      try {
        const event = {
          n: name,
          u: address(),
          d: script.dataset.domain,
          r: document.referrer,
          p: options.props,
          i: options.interactive,
        };
        if (HASH) event.h = 1;
        if (REVENUE) event.$ = options.revenue;
        if (ENGAGEMENT) Object.assign(event, engagement);
        const body = JSON.stringify(event);
        // A string goes as text/plain, so the browser asks no permission first (no preflight). It refuses a beacon
        // when its 64 KiB for such requests are in use.
        (navigator.sendBeacon && navigator.sendBeacon(endpoint, body)) ||
          fetch(endpoint, { method: "POST", body, keepalive: true, mode: "no-cors" }).catch(() => {});
      } catch (error) {
        // Properties that are no JSON, a data-api that is no address: the page's own code goes on.
      }
    }
    // The beacon is the browser's by now, so a page that waits for this before it navigates may go.
    if (PLAUSIBLE && options.callback) options.callback();
  };

  // Engagement with the page counted last: CSS pixels and milliseconds.
  let url, bottom, bottomSent, height, focused, engaged, since;

  const measure = () => {
    bottom = Math.max(bottom, scrollY + innerHeight);
    height = document.documentElement.scrollHeight;
  };

  const clock = () => {
    if (focused) engaged += performance.now() - since;
    since = performance.now();
    focused = !document.hidden && document.hasFocus();
  };

  const engage = () => {
    if (!counted) return;
    clock();
    // After pushState the document may already be the next page's: what was measured before counts.
    if (!bottom) measure();
    if (bottom > bottomSent || engaged >= 3000) {
      send("engagement", 0, {
        u: url,
        sd: Math.min(100, Math.round((bottom / height) * 100)),
        e: Math.round(engaged),
      });
      bottomSent = bottom;
      engaged = 0;
    }
  };

  const page = (event) => {
    const type = event && event.type;
    if (type == "pageshow" && event.persisted) counted = 0;
    if (
      counted != here() &&
      !document.prerendering &&
      // A tab opened in the background waits until it is looked at, or left.
      (counted || !document.hidden || type == "pagehide")
    ) {
      if (ENGAGEMENT) {
        engage();
        clock();
        url = address();
        bottom = bottomSent = engaged = 0;
      }
      counted = here();
      send("pageview");
      while (queue[0]) send(...queue.shift());
    }
  };

  const statnive = (...call) => (counted ? send(...call) : queue.push(call));
  statnive.on = 1;
  window.statnive = statnive;
  if (PLAUSIBLE) window.plausible = statnive;

  ["pushState", "replaceState"].map((method) => {
    const original = history[method];
    history[method] = function () {
      original.apply(this, arguments);
      page();
    };
  });

  if (ENGAGEMENT) {
    // Reading the height makes the browser lay out, so it waits for the load, a scroll, or the end.
    ["scroll", "pageshow"].map((type) => addEventListener(type, measure));
    addEventListener("focus", clock);
    ["blur", "pagehide", "visibilitychange"].map((type) =>
      addEventListener(type, () => {
        measure();
        engage();
      }),
    );
  }

  if (NOT_FOUND && (performance.getEntriesByType("navigation")[0] || {}).responseStatus == 404) {
    // Not interactive: a visitor who lands on nothing and leaves has bounced.
    queue.push(["404", { props: { path: location.pathname }, interactive: false }]);
  }

  // The name and properties in an element's classes: statnive-event-name=Sign+Up statnive-event-plan=pro
  // statnive-revenue-amount=9.90; "--" for "=" where an editor allows none; Plausible's prefix is read as well.
  const tagOf = (element) => {
    const tag = { event: {}, revenue: {} };
    for (const name of element.classList || []) {
      const match = /^(?:statnive|plausible)-(event|revenue)-(.+?)(?:=|--)(.+)/.exec(name);
      if (match) tag[match[1]][match[2]] = match[3].replace(/\+/g, " ");
    }
    return tag.event.name && tag;
  };

  const downloadFiles =
    /\.(7z|avi|csv|dmg|docx?|epub|exe|gz|key|midi?|mov|mp[34]|mpe?g|msi|pdf|pkg|pp[st]x?|rar|rtf|txt|wav|wm[av]|xlsx?|zip)$/i;

  // One event for a gesture, the most telling one: a tag, else a download, else an outbound link.
  const gesture = (event) => {
    if (event.button > 1) return; // the right button opens a menu
    const submit = event.type == "submit";
    // The composed path reaches into open shadow trees. A click inside a tagged form is not yet its submission.
    const path = event.composedPath();
    const elements = submit ? [path[0]] : path.filter((element) => element.localName != "form");
    const link = elements.find((element) => element.localName == "a" && element.host);
    const tag = TAGGED && elements.map(tagOf).find((found) => found);
    if (tag) {
      const name = tag.event.name;
      delete tag.event.name;
      statnive(name, { props: tag.event, revenue: tag.revenue.amount && tag.revenue });
    } else if (submit) {
      if (FORMS) statnive("Form: Submission", { props: { path: location.pathname } });
    } else if (link) {
      if (DOWNLOADS && (link.hasAttribute("download") || downloadFiles.test(link.pathname))) {
        statnive("File Download", { props: { url: link.href.split(/[?#]/)[0] } });
      } else if (OUTBOUND && link.host != location.host) {
        statnive("Outbound Link: Click", { props: { url: link.href } });
      }
    }
  };
  if (OUTBOUND || DOWNLOADS || TAGGED) {
    ["click", "auxclick"].map((type) => addEventListener(type, gesture, true));
  }
  if (FORMS || TAGGED) addEventListener("submit", gesture, true);

  if (HASH) addEventListener("hashchange", page);
  // In the capture phase the window sees the document's events too, those that don't bubble included.
  ["popstate", "pageshow", "pagehide", "visibilitychange", "prerenderingchange"].map((type) =>
    addEventListener(type, page, true),
  );
  page();
})();

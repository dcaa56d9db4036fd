/** What goes into a page, by the way it is put there. Both parts come from outside: each is quoted as its place wants. */

export const KINDS = ['html', 'wordpress', 'nextjs', 'gtm'] as const;
export type Kind = (typeof KINDS)[number];

export function snippet(origin: string, domain: string): string {
  return `<script async src="${quoted(`${origin}/tracker.js`)}" data-domain="${quoted(domain)}"></script>`;
}

export function snippetFor(kind: Kind, origin: string, domain: string): string {
  const src = `${origin}/tracker.js`;
  switch (kind) {
    case 'html':
      return snippet(origin, domain);
    case 'wordpress':
      // Neither a host nor a quoted attribute has a single quote once it is escaped.
      return `add_action('wp_head', function () {\n  echo '${snippet(origin, domain).replace(/['\\]/g, '\\$&')}';\n});`;
    case 'nextjs':
      return `import Script from 'next/script';\n\n<Script src=${json(src)} data-domain=${json(domain)} />`;
    case 'gtm':
      // The tag manager leaves out attributes that it does not know: here they are set by hand.
      return [
        '<script>',
        '(function () {',
        "  var script = document.createElement('script');",
        '  script.async = true;',
        `  script.src = ${json(src)};`,
        `  script.dataset.domain = ${json(domain)};`,
        '  document.head.appendChild(script);',
        '})();',
        '</script>',
      ].join('\n');
  }
}

function quoted(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/"/g, '&quot;').replace(/</g, '&lt;');
}

/** A string of JavaScript that can't end the script element around it. */
function json(text: string): string {
  return JSON.stringify(text).replace(/</g, '\\u003c');
}

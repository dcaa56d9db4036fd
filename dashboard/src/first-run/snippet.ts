/** What goes into a page. Both parts come from outside, so both are quoted as HTML wants it. */
export function snippet(origin: string, domain: string): string {
  return `<script async src="${quoted(`${origin}/tracker.js`)}" data-domain="${quoted(domain)}"></script>`;
}

function quoted(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/"/g, '&quot;').replace(/</g, '&lt;');
}

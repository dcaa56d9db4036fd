/** Catalogues sentence by sentence, for the test that compares them and for `npm run missing`. */

export type Forms = { other: string } & Record<string, string>;

/** Every sentence with the way to it; the forms of a plural are one entry. */
export function sentences(catalogue: object, path = ''): [string, string | Forms][] {
  return Object.entries(catalogue).flatMap(([key, inner]): [string, string | Forms][] => {
    if (typeof inner !== 'object' || !inner || 'other' in inner) return [[path + key, inner]];
    return sentences(inner, `${path}${key}.`);
  });
}

/** The ways to sentences of `base` that `catalogue` does not have. */
export function missingIn(base: object, catalogue: object): string[] {
  const there = new Set(sentences(catalogue).map(([key]) => key));
  return sentences(base)
    .map(([key]) => key)
    .filter((key) => !there.has(key));
}

export function placeholders(text: string): string[] {
  return (text.match(/\{\w+\}|#/g) ?? []).sort();
}

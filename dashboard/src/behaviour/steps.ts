/** The steps of a funnel: in the address "page:/pricing", "event:Signup"; in the API {"page":"/pricing"}. */

export const STEPS_MIN = 2;
export const STEPS_MAX = 8;

export interface Step {
  kind: 'page' | 'event';
  target: string;
}

export function parseSteps(steps: readonly string[]): Step[] {
  return steps.slice(0, STEPS_MAX).flatMap((text) => {
    const [, kind, target] = /^(page|event):(.+)$/s.exec(text) ?? [];
    return kind && target ? [{ kind: kind as Step['kind'], target }] : [];
  });
}

export function formatSteps(steps: readonly Step[]): string[] {
  return steps.map(({ kind, target }) => `${kind}:${target}`);
}

export function apiSteps(steps: readonly Step[]): string {
  return JSON.stringify(steps.map(({ kind, target }) => ({ [kind]: target })));
}

/** What somebody typed: what begins with a slash or has a wildcard is a page. */
export function typedStep(text: string): Step | undefined {
  const target = text.trim();
  if (!target) return undefined;
  return { kind: /^[/*]/.test(target) ? 'page' : 'event', target };
}

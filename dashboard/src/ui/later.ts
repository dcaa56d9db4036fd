import { useEffect, useState } from 'preact/hooks';

/**
 * Work that may wait until the page has been drawn: a task of its own after the next frame, so that a slow phone
 * answers in between. Returns how to give it up.
 */
export function later(work: () => unknown): () => void {
  let given = false;
  const run = () => void (given || work());
  // A hidden tab draws no frames.
  if (document.hidden) setTimeout(run);
  else requestAnimationFrame(() => setTimeout(run));
  return () => {
    given = true;
  };
}

/** False until `ready` has been drawn once: for what may come a frame after the numbers. */
export function useAfter(ready: boolean): boolean {
  const [after, setAfter] = useState(false);
  useEffect(() => {
    return ready && !after ? later(() => setAfter(true)) : undefined;
  }, [ready]);
  return after;
}

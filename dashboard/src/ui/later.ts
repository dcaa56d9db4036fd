/** Work that may wait until the page has been drawn and nothing is being typed. Returns how to give it up. */
export function later(work: () => void): () => void {
  let given = false;
  const run = () => void (given || work());
  // A task of its own after the next frame; a hidden tab draws no frames.
  if (document.hidden) setTimeout(run);
  else requestAnimationFrame(() => setTimeout(run));
  return () => {
    given = true;
  };
}

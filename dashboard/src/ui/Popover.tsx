/** A button that opens a small panel below it. The panel, a PopoverPanel, is fetched when it is first wanted. */

import type { ComponentChildren } from 'preact';
import { useRef, useState } from 'preact/hooks';

/** Without `keepFocus` the button gets it back, as is right after a choice or Escape. */
export type Close = (keepFocus?: boolean) => void;

interface Props {
  /** What is on the button. */
  button: ComponentChildren;
  /** What the panel is for. */
  title: string;
  class?: string;
  children: (close: Close) => ComponentChildren;
}

export function Popover({ button, title, class: name = '', children }: Props) {
  const [open, setOpen] = useState(false);
  const trigger = useRef<HTMLButtonElement>(null);
  return (
    <div class={`popover-root ${name}`}>
      <button type="button" class="control" ref={trigger} aria-expanded={open} onClick={() => setOpen(!open)}>
        {button}
        <span class="unseen">{title}</span>
      </button>
      {open &&
        children((keepFocus) => {
          setOpen(false);
          if (!keepFocus) trigger.current?.focus();
        })}
    </div>
  );
}

/**
 * What a Popover opens. Escape, a click outside and leaving it by Tab close it; arrow keys walk through what can be
 * chosen; choosing a link closes it.
 */

import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { Close } from './Popover';

interface Props {
  title: string;
  close: Close;
  /** Every other key that is pressed in the panel or on its button. */
  onKey?: (event: KeyboardEvent) => void;
  children: ComponentChildren;
}

const CHOICES = 'a[href], button:not([disabled])';
const FIRST = '[data-first], input[type=search], [aria-current=true]';

export function PopoverPanel({ title, close, onKey, children }: Props) {
  const panel = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const element = panel.current;
    const root = element?.closest<HTMLElement>('.popover-root');
    if (!element || !root) return;
    (element.querySelector<HTMLElement>(FIRST) ?? element.querySelector<HTMLElement>(CHOICES))?.focus();
    const outside = (event: Event) => root.contains(event.target as Node) || close(true);
    const key = (event: KeyboardEvent) => {
      if (event.key === 'Escape') close();
      else if (event.key === 'ArrowDown') walk(element, event, 1);
      else if (event.key === 'ArrowUp') walk(element, event, -1);
      else onKey?.(event);
    };
    document.addEventListener('pointerdown', outside);
    document.addEventListener('focusin', outside);
    root.addEventListener('keydown', key);
    return () => {
      document.removeEventListener('pointerdown', outside);
      document.removeEventListener('focusin', outside);
      root.removeEventListener('keydown', key);
    };
  }, []);

  return (
    <div
      class="popover"
      ref={panel}
      role="group"
      aria-label={title}
      onClick={(event) => {
        if ((event.target as Element).closest('a')) close();
      }}
    >
      {children}
    </div>
  );
}

function walk(panel: HTMLElement, event: KeyboardEvent, by: number): void {
  // In a date field the arrows count, in a list of options they choose.
  if (['date', 'select-one'].includes((event.target as HTMLInputElement).type)) return;
  const choices = [...panel.querySelectorAll<HTMLElement>(CHOICES)];
  if (!choices.length) return;
  event.preventDefault();
  const at = choices.indexOf(event.target as HTMLElement);
  choices[(at + by + choices.length) % choices.length]?.focus();
}

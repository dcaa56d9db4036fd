/** Components in chunks of their own, fetched when they are first drawn and drawn in a task of their own. */

import type { ComponentType, VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { ApiError } from '../api/client';
import { t } from '../i18n';
import { Failure } from './Failure';
import { later } from './later';

type Frame = (inside: VNode) => VNode | null;

/** `frame` is what stands around the placeholder, and around the failure if the chunk does not come. */
export function lazy<Props extends object>(
  load: () => Promise<ComponentType<Props>>,
  frame: Frame = (inside) => inside,
) {
  let Loaded: ComponentType<Props> | undefined;
  return function Lazy(props: Props) {
    const [failed, setFailed] = useState(false);
    const [, setReady] = useState(Loaded !== undefined);
    useEffect(() => {
      if (Loaded) return;
      return later(() =>
        load().then(
          (component) => {
            Loaded = component;
            later(() => setReady(true));
          },
          () => setFailed(true),
        ),
      );
    }, []);
    if (Loaded) return <Loaded {...props} />;
    // After an upgrade of the server the chunk of the page before it is gone: only a new page helps.
    if (failed) return frame(<Failure error={new ApiError('offline')} retry={() => location.reload()} />);
    return frame(<div class="skeleton" role="status" aria-label={t.loading} />);
  };
}

/** The frame of a panel, as large as the panel itself. */
export function panel(name: string): Frame {
  return (inside) => (
    <section class={`panel ${name}`}>
      <header />
      <div class="body">{inside}</div>
    </section>
  );
}

export function popover(inside: VNode): VNode {
  return <div class="popover">{inside}</div>;
}

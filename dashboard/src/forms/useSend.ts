/** One change on its way: whether it is, and what went wrong. Afterwards everything on the page is read again. */

import { useRef, useState } from 'preact/hooks';
import { ApiError } from '../api/client';
import { refreshAll } from '../state/refresh';

export interface Sending {
  busy: boolean;
  error: ApiError | undefined;
  /** Resolves to whether it worked. A second change waits for the first one's end. */
  send: (change: () => Promise<unknown>) => Promise<boolean>;
}

export function useSend(): Sending {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | undefined>(undefined);
  const under = useRef(false);

  async function send(change: () => Promise<unknown>): Promise<boolean> {
    if (under.current) return false;
    under.current = true;
    setBusy(true);
    setError(undefined);
    try {
      await change();
      refreshAll();
      return true;
    } catch (cause) {
      setError(cause instanceof ApiError ? cause : new ApiError('unreadable'));
      return false;
    } finally {
      under.current = false;
      setBusy(false);
    }
  }
  return { busy, error, send };
}

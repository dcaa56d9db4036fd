/** One read of this chunk, and a way to do it again after a change. */

import { useCallback, useEffect, useState } from 'preact/hooks';
import { ApiError, get, type Read } from '../api/client';
import { locale } from '../i18n';

export interface Loaded<Answer> {
  data: Answer | undefined;
  error: ApiError | undefined;
  again: () => Promise<void>;
}

export function useLoad<Answer>(url: string, ...needs: (keyof Answer & string)[]): Loaded<Answer> {
  const [data, setData] = useState<Answer>();
  const [error, setError] = useState<ApiError>();
  const again = useCallback(async () => {
    try {
      setData(await get<Answer>({ url, needs } as Read<Answer>));
      setError(undefined);
    } catch (cause) {
      setError(cause instanceof ApiError ? cause : new ApiError('unreadable'));
    }
  }, [url]);
  useEffect(() => void again(), [again]);
  return { data, error, again };
}

/** An instant in the person's own time, to the minute. */
export function minute(seconds: number): string {
  return new Date(seconds * 1000).toLocaleString(locale, { dateStyle: 'medium', timeStyle: 'short' });
}

export function day(seconds: number): string {
  return new Date(seconds * 1000).toLocaleDateString(locale, { dateStyle: 'medium' });
}

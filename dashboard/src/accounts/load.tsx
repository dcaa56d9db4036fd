/** One read of this chunk, a way to do it again after a change, and what to show while there is no answer. */

import type { ComponentChildren } from 'preact';
import { useCallback, useEffect, useState } from 'preact/hooks';
import { ApiError, get, type Read } from '../api/client';
import { locale, t } from '../i18n';
import { Failure } from '../ui/Failure';
import { said } from './Form';

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
      setError(errorOf(cause));
    }
  }, [url]);
  useEffect(() => void again(), [again]);
  return { data, error, again };
}

interface AnsweredProps<Answer> {
  load: Loaded<Answer>;
  children: (answer: Answer) => ComponentChildren;
}

/** What `children` make of the answer; before it a placeholder, and a failure is never an empty list. */
export function Answered<Answer>({ load: { data, error, again }, children }: AnsweredProps<Answer>) {
  if (error) return <Failure error={error} retry={() => void again()} />;
  return data === undefined ? <div class="skeleton" role="status" aria-label={t.loading} /> : <>{children(data)}</>;
}

/** Buttons that change something: one change at a time, and what the server said to one that it refused. */
export function useAct(): [act: (change: () => Promise<unknown>) => Promise<void>, refusal: ComponentChildren] {
  const [error, setError] = useState<ApiError>();
  async function act(change: () => Promise<unknown>): Promise<void> {
    setError(undefined);
    try {
      await change();
    } catch (cause) {
      setError(errorOf(cause));
    }
  }
  return [act, error && <em role="alert">{said(error)}</em>];
}

function errorOf(cause: unknown): ApiError {
  return cause instanceof ApiError ? cause : new ApiError('unreadable');
}

/** What is known of a thing, in one line. */
export function facts(...known: (string | false | null | undefined)[]): string {
  return known.filter(Boolean).join(' · ');
}

/** An instant in the person's own time, to the minute. */
export function minute(seconds: number): string {
  return new Date(seconds * 1000).toLocaleString(locale, { dateStyle: 'medium', timeStyle: 'short' });
}

export function day(seconds: number): string {
  return new Date(seconds * 1000).toLocaleDateString(locale, { dateStyle: 'medium' });
}

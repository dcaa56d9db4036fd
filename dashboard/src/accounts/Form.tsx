/** A form that makes one change, and says beside the field what is wrong with it. */

import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { ApiError } from '../api/client';
import { t } from '../i18n';

export interface Field {
  name: string;
  label: string;
  type?: 'text' | 'email' | 'password' | 'number' | 'checkbox';
  value?: string;
  autocomplete?: string;
  options?: Record<string, string>;
  optional?: boolean;
}

export type Values = Record<string, string>;

interface Props {
  fields: Field[];
  submit: string;
  /** Throws an ApiError; what it returns is shown when it went well. */
  send: (values: Values) => Promise<ComponentChildren | void>;
  title?: string;
}

export function Form({ fields, submit, send, title }: Props) {
  const [error, setError] = useState<ApiError>();
  const [busy, setBusy] = useState(false);
  const [done, setDone] = useState<ComponentChildren>();

  async function go(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const values = Object.fromEntries([...new FormData(form)].map(([key, value]) => [key, String(value)]));
    setBusy(true);
    setError(undefined);
    setDone(undefined);
    try {
      setDone((await send(values)) ?? undefined);
      form.reset();
    } catch (cause) {
      setError(cause instanceof ApiError ? cause : new ApiError('unreadable'));
    }
    setBusy(false);
  }

  const known = fields.some(({ name }) => name === error?.field);
  return (
    <form class="stack" onSubmit={go}>
      {title && <h3>{title}</h3>}
      {fields.map((field) => (
        <label key={field.name} class={field.type === 'checkbox' ? 'check' : undefined}>
          <span>{field.label}</span>
          {field.options ? (
            <select name={field.name}>
              {Object.entries(field.options).map(([value, label]) => (
                <option key={value} value={value}>
                  {label}
                </option>
              ))}
            </select>
          ) : (
            <input
              name={field.name}
              type={(field.type ?? 'text') as 'text'}
              defaultValue={field.value ?? ''}
              autocomplete={(field.autocomplete ?? 'off') as 'off'}
              required={!field.optional && field.type !== 'checkbox'}
              aria-invalid={error?.field === field.name}
            />
          )}
          {error?.field === field.name && <em role="alert">{said(error)}</em>}
        </label>
      ))}
      {error && !known && <em role="alert">{said(error)}</em>}
      <button type="submit" class="control main" disabled={busy}>
        {submit}
      </button>
      {done && <div role="status">{done}</div>}
    </form>
  );
}

export function said(error: ApiError): string {
  return error.message || t.error.kind[error.kind];
}

/** The few fields that forms are made of, each with its label, and what the server said to a change. */

import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';
import type { ApiError } from '../api/client';
import { t } from '../i18n/pages';
import { said } from '../ui/Failure';
import './forms.css';

interface FieldProps {
  label: string;
  note?: string | undefined;
  value: string;
  set: (value: string) => void;
  required?: boolean;
  /** What the person may choose from; anything else may be typed as well. */
  options?: readonly string[];
  placeholder?: string;
  inputMode?: 'decimal' | 'numeric' | 'url';
}

export function TextField({ label, note, value, set, options, ...rest }: FieldProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        {...rest}
        id={id}
        type="text"
        value={value}
        autoCapitalize="none"
        spellcheck={false}
        list={options && `${id}-l`}
        aria-describedby={note && `${id}-n`}
        onInput={(event) => set(event.currentTarget.value)}
      />
      {options && (
        <datalist id={`${id}-l`}>
          {options.map((option) => (
            <option key={option} value={option} />
          ))}
        </datalist>
      )}
      {note && (
        <p class="note" id={`${id}-n`}>
          {note}
        </p>
      )}
    </div>
  );
}

/** Entries, one a line. */
export function LinesField({ label, note, value, set, placeholder }: FieldProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea
        id={id}
        rows={3}
        value={value}
        placeholder={placeholder}
        spellcheck={false}
        aria-describedby={note && `${id}-n`}
        onInput={(event) => set(event.currentTarget.value)}
      />
      {note && (
        <p class="note" id={`${id}-n`}>
          {note}
        </p>
      )}
    </div>
  );
}

interface ChoiceProps {
  label: string;
  value: string;
  set: (value: string) => void;
  /** [value, text] */
  options: readonly (readonly [string, string])[];
}

export function ChoiceField({ label, value, set, options }: ChoiceProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => set(event.currentTarget.value)}>
        {options.map(([name, text]) => (
          <option key={name} value={name}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}

export function lines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
}

/** What the server said to a change that it refused; nothing when all is well. */
export function Refusal({ error }: { error: ApiError | undefined }) {
  if (!error) return null;
  return (
    <p class="wrong" role="alert">
      {said(error) || t.error.kind[error.kind]}
    </p>
  );
}

interface FormProps {
  onSubmit: () => void;
  busy: boolean;
  action: string;
  error: ApiError | undefined;
  children: ComponentChildren;
}

export function Form({ onSubmit, busy, action, error, children }: FormProps) {
  return (
    <form
      class="form"
      aria-busy={busy}
      onSubmit={(event) => {
        event.preventDefault();
        onSubmit();
      }}
    >
      {children}
      <Refusal error={error} />
      <button type="submit" class="control main" disabled={busy}>
        {action}
      </button>
    </form>
  );
}

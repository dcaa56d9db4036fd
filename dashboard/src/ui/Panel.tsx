/** A titled card around one read: placeholder, failure or what `children` make of the answer. Its height is fixed. */

import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';
import { t } from '../i18n';
import type { Query } from '../state/queries';
import { Failure } from './Failure';

interface Props<Answer> {
  title: string;
  class?: string;
  id?: string;
  tools?: ComponentChildren;
  query: Query<Answer>;
  children: (answer: Answer) => ComponentChildren;
}

export function Panel<Answer>({ title, class: name = '', id, tools, query, children }: Props<Answer>) {
  const heading = useId();
  return (
    <section class={`panel ${name}`} id={id} aria-labelledby={heading}>
      <header>
        <h2 id={heading}>{title}</h2>
        {tools}
      </header>
      <Answered query={query}>{children}</Answered>
    </section>
  );
}

/** Old numbers stay, dimmed, while others load; a failed refresh says so above them; a failure is never a number. */
export function Answered<Answer>({ query, children }: Pick<Props<Answer>, 'query' | 'children'>) {
  const { data, error, outdated, retry } = query;
  return (
    <div class={`body ${outdated ? 'outdated' : ''}`} aria-busy={query.loading}>
      {data !== undefined ? (
        children(data)
      ) : error ? (
        <Failure error={error} retry={retry} />
      ) : (
        <div class="skeleton" role="status" aria-label={t.loading} />
      )}
      {data !== undefined && error && (
        <p class="strip" role="alert">
          {t.error.refresh} {t.error.kind[error.kind]}
          <button type="button" class="link" onClick={retry}>
            {t.error.retry}
          </button>
        </p>
      )}
    </div>
  );
}

/**
 * A site without any event: a look every few seconds whether one has come; for who looks after the site the snippet
 * too, and for operators why none comes.
 */

import { sites } from '../api/client';
import { realtime } from '../api/more';
import type { Site } from '../api/types';
import { fill, t } from '../i18n/pages';
import { Drops } from '../operator/Drops';
import { mayWrite } from '../state/may';
import { useQuery } from '../state/queries';
import { refreshAll } from '../state/refresh';
import { Failure } from '../ui/Failure';
import { Icon } from '../ui/more-icons';
import { Snippets } from './Snippets';
import { Waiting } from './Waiting';

const AGAIN_MS = 3_000;

export function FirstEvent({ site }: { site: Site }) {
  const query = useQuery(realtime(site.domain), AGAIN_MS);
  const operator = useQuery(sites()).data?.operator;
  const writes = mayWrite(site);
  const seen = query.data !== undefined && (query.data.visitors > 0 || query.data.pageviews > 0);
  return (
    <>
      <section class="panel first">
        {writes && (
          <>
            <h2>{fill(t.first.title, { site: site.domain })}</h2>
            <p>{t.first.text}</p>
            <Snippets domain={site.domain} />
          </>
        )}
        {query.error ? (
          <Failure error={query.error} retry={query.retry} />
        ) : seen ? (
          <p class="waiting seen" role="status">
            <Icon name="check" />
            {t.first.seen}
            <button type="button" class="control main" onClick={() => void refreshAll(site.domain)}>
              {t.first.show}
            </button>
          </p>
        ) : (
          <>
            <Waiting text={fill(t.first.waiting, { site: site.domain })} />
            {writes && <p class="note">{t.first.hint}</p>}
          </>
        )}
      </section>
      {operator && <Drops everyMs={AGAIN_MS} site={site.domain} />}
    </>
  );
}

/** A site without any event: the snippet, and a look every few seconds whether one has come. */

import { realtime } from '../api/more';
import type { Site } from '../api/types';
import { fill, t } from '../i18n/whole';
import { refreshAll, useQuery } from '../state/queries';
import { CopyLine } from '../ui/CopyLine';
import { DropsPanel } from '../panels/live/DropsPanel';
import { Failure } from '../ui/Failure';
import { Icon } from '../ui/icons';
import { snippet } from './snippet';
import { Waiting } from './Waiting';

const AGAIN_MS = 3_000;

export function FirstEvent({ site }: { site: Site }) {
  const query = useQuery(realtime(site.domain), AGAIN_MS);
  const seen = query.data !== undefined && (query.data.visitors > 0 || query.data.pageviews > 0);
  return (
    <>
      <section class="panel first">
        <h2>{fill(t.first.title, { site: site.domain })}</h2>
        <p>{t.first.text}</p>
        <CopyLine text={snippet(location.origin, site.domain)} label={t.first.snippet} />
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
            <p class="note">{t.first.hint}</p>
          </>
        )}
      </section>
      <DropsPanel everyMs={AGAIN_MS} />
    </>
  );
}

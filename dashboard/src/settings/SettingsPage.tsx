/** Everything that can be set for one site. Each part is a form of its own and is kept when it is sent. */

import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { settings } from '../api/admin';
import type { Site } from '../api/types';
import { Snippets } from '../first-run/Snippets';
import { fill, t } from '../i18n/pages';
import { mayWrite } from '../state/may';
import { useQuery } from '../state/queries';
import { Link, navigate } from '../state/router';
import { Answered } from '../ui/Panel';
import { EraseDays, RemoveSite } from './Erase';
import { ExclusionsForm } from './ExclusionsForm';
import { Funnels } from './Funnels';
import { Goals } from './Goals';
import { Hosts } from './Hosts';
import { Retention } from './Retention';
import { Seen } from './Seen';
import { Segments } from './Segments';
import { ZoneForm } from './ZoneForm';
import './settings.css';

export function SettingsPage({ site }: { site: Site }) {
  const query = useQuery(settings(site.domain));
  const writes = mayWrite(site);
  // Until the list of sites is here, a site has no time zone, and everybody is a viewer.
  const looksOnly = !writes && site.timezone !== '';
  useEffect(() => {
    if (looksOnly) navigate({ view: undefined }, 'replace');
  }, [looksOnly]);
  return (
    <div class="settings">
      <h1>{fill(t.settings.of, { site: site.domain })}</h1>
      <p>
        <Link class="link" to={{ view: undefined }}>
          {t.settings.back}
        </Link>
      </p>
      <Answered query={writes ? query : { ...query, data: undefined }}>
        {(found) => (
          <div class="parts">
            <Part title={t.settings.hosts} note={t.settings.hostsNote}>
              <Hosts found={found} />
            </Part>
            <Part title={t.settings.zone} note={t.settings.zoneNote}>
              <ZoneForm key={`${found.timezone} ${found.currency}`} found={found} />
            </Part>
            <Part title={t.settings.seen} note={t.settings.seenNote}>
              <Seen found={found} />
            </Part>
            <Part title={t.settings.goals} note={t.settings.goalsNote}>
              <Goals found={found} />
            </Part>
            <Part title={t.settings.funnels} note={t.settings.funnelsNote}>
              <Funnels found={found} />
            </Part>
            <Part title={t.settings.segments} note={t.settings.segmentsNote}>
              <Segments found={found} />
            </Part>
            <Part title={t.settings.exclusions} note={t.settings.exclusionsNote}>
              <ExclusionsForm key={JSON.stringify(found.exclusions)} found={found} />
            </Part>
            {site.role === 'owner' && (
              <>
                <Part title={t.settings.retention} note={t.settings.retentionNote}>
                  <Retention key={`${found.keep_events} ${found.keep_counts}`} found={found} />
                </Part>
                <Part title={t.settings.erase} note={t.settings.eraseNote}>
                  <EraseDays found={found} />
                </Part>
                <Part title={t.settings.removeSite} note={t.settings.removeNote}>
                  <RemoveSite domain={found.domain} />
                </Part>
              </>
            )}
            <Part title={t.first.snippet} note={t.first.text}>
              <Snippets domain={found.domain} />
            </Part>
          </div>
        )}
      </Answered>
    </div>
  );
}

function Part({ title, note, children }: { title: string; note: string; children: ComponentChildren }) {
  return (
    <section class="panel">
      <h2>{title}</h2>
      <p class="note">{note}</p>
      {children}
    </section>
  );
}

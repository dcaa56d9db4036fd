/** The address names a site that is not here. */

import type { Site } from '../api/types';
import { fill, t } from '../i18n/pages';
import { Link } from '../state/router';

export function NoSuchSite({ name, sites }: { name: string; sites: Site[] }) {
  return (
    <section class="panel alone">
      <h1>{fill(t.unknownSite.title, { site: name })}</h1>
      <p>{t.unknownSite.text}</p>
      <ul class="choices">
        {sites.map(({ domain }) => (
          <li key={domain}>
            <Link to={{ site: domain, view: undefined }}>{domain}</Link>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** No site yet: the command that adds one. */

import { sites } from '../api/client';
import { t } from '../i18n/whole';
import { addCommand, browserTimezone } from '../panels/live/hosts';
import { useQuery } from '../state/queries';
import { CopyLine } from '../ui/CopyLine';
import { Waiting } from './Waiting';

const AGAIN_MS = 3_000;

export function FirstSite() {
  useQuery(sites(), AGAIN_MS);
  return (
    <section class="panel first">
      <h1>{t.first.site.title}</h1>
      <p>{t.first.site.text}</p>
      <CopyLine text={addCommand('example.com', browserTimezone())} label={t.first.command} />
      <Waiting text={t.first.waitingSite} />
    </section>
  );
}

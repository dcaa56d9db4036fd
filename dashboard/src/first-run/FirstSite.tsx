/** No site yet: add one here, or by the command on the server; this page goes on by itself then. */

import { sites } from '../api/client';
import { t } from '../i18n/pages';
import { addCommand, browserTimezone } from '../operator/hosts';
import { useQuery } from '../state/queries';
import { CopyLine } from '../ui/CopyLine';
import { AddSite } from './AddSite';
import './first-run.css';

const AGAIN_MS = 3_000;

export function FirstSite() {
  useQuery(sites(), AGAIN_MS);
  return (
    <section class="panel first">
      <h1>{t.first.site.title}</h1>
      <p>{t.first.site.text}</p>
      <AddSite />
      <p class="note">{t.first.site.command}</p>
      <CopyLine text={addCommand('example.com', browserTimezone())} label={t.first.command} />
      <p class="note">{t.first.site.demo}</p>
      <CopyLine text="statnive demo" label={t.first.command} />
    </section>
  );
}

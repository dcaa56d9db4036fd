/** The card of funnels and journeys. */

import { useId } from 'preact/hooks';
import { t } from '../i18n/whole';
import type { CardProps } from '../lists/ListCard';
import { Link } from '../state/router';
import { Funnels } from './Funnels';
import { Journeys } from './Journeys';

const TABS = ['funnels', 'journeys'] as const;

export function Behaviour(props: CardProps) {
  const { route } = props;
  const heading = useId();
  const tab = route.tabs.includes('journeys') ? 'journeys' : 'funnels';
  const others = route.tabs.filter((name) => name !== 'journeys');
  return (
    <section class="panel list behaviour" aria-labelledby={heading}>
      <header>
        <h2 id={heading} class="unseen">
          {t.cards.behaviour}
        </h2>
        <nav class="tabs" aria-label={t.cards.behaviour}>
          {TABS.map((name) => (
            <Link
              key={name}
              to={{ tabs: name === 'journeys' ? [...others, name] : others }}
              aria-current={name === tab ? 'true' : undefined}
            >
              {t.tab[name]}
            </Link>
          ))}
        </nav>
      </header>
      {tab === 'journeys' ? <Journeys {...props} /> : <Funnels {...props} />}
    </section>
  );
}

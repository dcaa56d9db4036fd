/** The cards below the trend. They come one after the other, so that none keeps a slow phone from answering. */

import { useEffect, useState } from 'preact/hooks';
import { lazy, panel } from '../ui/lazy';
import { later } from '../ui/later';
import { CARDS, type CardName } from './catalogue';
import { type CardProps, ListCard } from './ListCard';

const Behaviour = lazy(async () => (await import('../behaviour')).Behaviour, panel('list'));
const RealtimePanel = lazy(async () => (await import('../behaviour')).RealtimePanel, panel('realtime'));

const ORDER = [...(Object.keys(CARDS) as CardName[]), 'behaviour', 'realtime'] as const;

const Placeholder = ({ name }: { name: string }) => panel(name)(<div class="skeleton" />);

export function Cards(props: Partial<CardProps>) {
  const [drawn, setDrawn] = useState(0);
  const { site, route, scope, today, visitors } = props;
  const known = site && route && scope && today !== undefined ? { site, route, scope, today, visitors } : undefined;

  useEffect(() => {
    if (!known || drawn >= ORDER.length) return;
    return later(() => setDrawn(drawn + 1));
  }, [known !== undefined, drawn]);

  return (
    <div class="reports">
      {ORDER.map((card, index) =>
        !known || index >= drawn ? (
          <Placeholder key={card} name={card === 'realtime' ? card : 'list'} />
        ) : card === 'behaviour' ? (
          <Behaviour key={card} {...known} />
        ) : card === 'realtime' ? (
          <RealtimePanel key={card} site={known.site} />
        ) : (
          <ListCard key={card} card={card} {...known} />
        ),
      )}
    </div>
  );
}

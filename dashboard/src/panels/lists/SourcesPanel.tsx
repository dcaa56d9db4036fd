import { useState } from 'preact/hooks';
import { type Scope, sources } from '../../api/client';
import { t } from '../../i18n/whole';
import { useQuery } from '../../state/queries';
import { ROWS } from '../rows';
import { RankedList } from './RankedList';

interface Props {
  scope: Scope | undefined;
  visitors: number | undefined;
}

export function SourcesPanel({ scope, visitors }: Props) {
  const [offset, setOffset] = useState(0);
  const query = useQuery(scope ? sources(scope, ROWS, offset) : null);
  return (
    <RankedList
      title={t.sources.title}
      head={t.sources.source}
      none={t.sources.none}
      query={query}
      visitors={visitors}
      offset={offset}
      turn={setOffset}
      keyOf={(row) => `${row.channel} ${row.source}`}
    >
      {({ source, channel }) => (
        <span class="source">
          <span class="name" title={source}>
            {source || t.sources.direct}
          </span>
          {channel && channel !== source && source && <span class="channel">{channel}</span>}
        </span>
      )}
    </RankedList>
  );
}

/**
 * The countries, darker the more visitors they have. For a pointer: the list of countries beside it tells the same to
 * a keyboard and to a screen reader, and has the countries that are too small to be drawn.
 */

import { useMemo, useState } from 'preact/hooks';
import world from 'virtual:world';
import type { Row } from '../api/types';
import { count } from '../format';
import { fill, t } from '../i18n/whole';
import { countryName } from '../lists/names';
import { withFilter } from '../state/with-filter';
import type { Route } from '../state/route';
import { navigate } from '../state/router';
import { shadeOf } from './shade';

interface Tip {
  code: string;
  x: number;
  y: number;
}

export function WorldMap({ rows, route }: { rows: readonly Row[]; route: Route }) {
  const [tip, setTip] = useState<Tip>();
  const visitors = useMemo(() => new Map(rows.map((row) => [row.country ?? '', row.visitors ?? 0])), [rows]);
  const most = Math.max(0, ...visitors.values());
  const first = rows[0];
  const summary = first
    ? fill(t.map.summary, {
        countries: count(visitors.size),
        country: countryName(first.country ?? ''),
        visitors: count(first.visitors),
      })
    : t.list.empty;
  return (
    <div class="map">
      <svg
        viewBox={`0 0 ${world.width} ${world.height}`}
        role="img"
        aria-label={summary}
        onPointerMove={(event) => setTip(under(event))}
        onPointerLeave={() => setTip(undefined)}
        onClick={(event) => {
          const code = codeOf(event.target);
          if (!code || !visitors.get(code)) return;
          navigate({ filters: withFilter(route.filters, { op: 'is', dim: 'country', values: [code] }) });
        }}
      >
        {Object.entries(world.paths).map(([code, path]) => (
          <path key={code} d={path} data-code={code} class={`shade-${shadeOf(visitors.get(code) ?? 0, most)}`} />
        ))}
      </svg>
      {tip && (
        <div class="tip" style={{ left: `${tip.x}px`, top: `${tip.y}px` }}>
          <strong>{count(visitors.get(tip.code) ?? 0)}</strong>
          <span>{countryName(tip.code)}</span>
        </div>
      )}
    </div>
  );
}

function codeOf(target: EventTarget | null): string | undefined {
  return target instanceof SVGElement ? target.dataset.code : undefined;
}

/** What is told beside the pointer, kept inside the map. */
function under(event: PointerEvent): Tip | undefined {
  const code = codeOf(event.target);
  const frame = (event.currentTarget as SVGElement).getBoundingClientRect();
  if (!code) return undefined;
  const x = event.clientX - frame.left;
  return { code, x: Math.min(Math.max(x, 60), frame.width - 60), y: event.clientY - frame.top };
}

/** The bar on top: which site, which days, what needs attention. Inside another page it leads nowhere else. */

import { drops as dropsRead } from '../api/client';
import type { Site } from '../api/types';
import { RangePicker } from './RangePicker';
import { ThemeButton } from './ThemeButton';
import { plural, t } from '../i18n';
import { useQuery } from '../state/queries';
import { type Route, START } from '../state/route';
import { Link } from '../state/router';
import { count } from '../format';
import { Icon, Logo } from '../ui/icons';
import { lazy, popover } from '../ui/lazy';
import { Popover } from '../ui/Popover';

const SiteChoices = lazy(async () => (await import('./choices')).SiteChoices, popover);
const Menu = lazy(async () => (await import('./choices')).Menu, popover);

interface Props {
  /** undefined: not known yet. */
  sites: Site[] | undefined;
  site: Site | undefined;
  route: Route;
  operator: boolean | undefined;
}

export function Header({ sites, site, route, operator }: Props) {
  const none = sites?.length === 0;
  const several = sites !== undefined && sites.length > 1;
  const name = none ? undefined : (site?.domain ?? route.site ?? (several ? t.site.all : undefined));
  return (
    <header class="top">
      {!route.theme && (
        <Link class="brand" to={{ ...START, site: undefined, interval: undefined, view: undefined }}>
          <Logo />
          <span>statnive</span>
        </Link>
      )}
      <div class="sites">
        {name && !route.theme ? (
          <Popover
            title={t.site.switch}
            button={
              <>
                <span class="name">{name}</span>
                <Icon name="down" />
              </>
            }
          >
            {(close) => <SiteChoices sites={sites ?? []} site={site} route={route} close={close} />}
          </Popover>
        ) : (
          <span class="name">{name}</span>
        )}
      </div>
      {operator && <Attention />}
      {!none && !route.view && <RangePicker route={route} timezone={site?.timezone} />}
      {!route.theme && (
        <>
          <ThemeButton />
          <Popover class="menu" title={t.menu} button={<Icon name="menu" />}>
            {(close) => <Menu site={site} several={several} operator={operator} link={route.auth} close={close} />}
          </Popover>
        </>
      )}
    </header>
  );
}

/** Lost events must not hide at the end of a page. It sits in a gap, so its coming moves nothing. */
function Attention() {
  const unknown = useQuery(dropsRead()).data?.unknown_sites.length ?? 0;
  if (!unknown) return null;
  return (
    <Link class="pill" to={{ view: 'operator' }}>
      <Icon name="warning" />
      <span>{plural(t.attention, unknown, count(unknown))}</span>
    </Link>
  );
}

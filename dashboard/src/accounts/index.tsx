/** The chunk of accounts: every page that is not numbers, and what stands in place of numbers that one may not see. */

import { useEffect, useState } from 'preact/hooks';
import type { ApiError } from '../api/client';
import { type AccountAnswer, whoAmI } from '../api/change';
import './accounts.css';
import { route } from '../state/router';
import { t } from '../i18n/whole';
import { Failure } from '../ui/Failure';
import { Coded } from './Coded';
import { Sites, Users } from './Node';
import { Own } from './Own';
import { LinkPassword, SetUp, SignIn } from './SignIn';
import { Links, People, Tokens } from './Site';
import { Top } from './Top';
import { w } from './words';

interface Props {
  /** Why the numbers can't be seen, where it is that. */
  error?: ApiError | undefined;
  retry: () => void;
}

export function Accounts({ error, retry }: Props) {
  const path = location.pathname;
  useEffect(() => {
    const site = new URLSearchParams(location.search).get('site');
    document.title = `${path === '/account' ? (site ?? w.own.title) : w.signIn.title} · statnive`;
  }, [path]);
  return (
    <>
      <Top />
      <main>{path === '/account' ? <Pages /> : <Alone error={error} retry={retry} />}</main>
    </>
  );
}

function Alone({ error, retry }: Props) {
  const path = location.pathname;
  return (
    <section class="panel alone accounts">
      {error?.field === 'password' ? (
        <LinkPassword opened={retry} />
      ) : error?.field === 'link' ? (
        <h1>{w.links.over}</h1>
      ) : path === '/setup' ? (
        <SetUp />
      ) : path === '/login' || path === '/' || route().view ? (
        <SignIn />
      ) : (
        <>
          <h1>{w.nothing}</h1>
          <a href="/">{w.back}</a>
        </>
      )}
    </section>
  );
}

function Pages() {
  const [answer, setAnswer] = useState<AccountAnswer>();
  const [error, setError] = useState<ApiError>();
  const again = () =>
    void whoAmI().then(
      (found) => {
        setAnswer(found);
        setError(undefined);
      },
      (cause: ApiError) => setError(cause),
    );
  useEffect(again, []);
  if (error) {
    return (
      <section class="panel alone">
        <Failure error={error} retry={again} />
      </section>
    );
  }
  if (!answer) return null;
  const { account, mode } = answer;
  if (!account && mode !== 'open') {
    return (
      <section class="panel alone accounts">
        <SignIn />
      </section>
    );
  }
  const site = new URLSearchParams(location.search).get('site');
  const of = site ? `?${new URLSearchParams({ site })}` : '';
  const mayAll = !account || account.is_operator;
  return (
    <div class="accounts">
      <h1>{site ?? w.own.title}</h1>
      <p class="ways">
        <a class="link" href={`/${of}`}>
          {w.back}
        </a>
        {site && (
          <>
            <a class="link" href={`/settings${of}`}>
              {t.menus.settings}
            </a>
            <a class="link" href="/account">
              {w.own.title}
            </a>
          </>
        )}
      </p>
      {site ? (
        <>
          <People site={site} />
          <Links site={site} />
          <Tokens site={site} />
        </>
      ) : (
        <>
          {account ? <Own account={account} again={again} /> : <p><Coded sentence={w.open} code='[auth] mode = "open"' /></p>}
          <Sites mayAdd={mayAll} />
          {mayAll && <Users />}
        </>
      )}
    </div>
  );
}

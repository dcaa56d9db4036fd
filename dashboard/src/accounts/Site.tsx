/** Who may see and change one site: its people, shared links and tokens. */

import { change } from '../api/change';
import { fill } from '../i18n';
import { CopyLine } from '../ui/CopyLine';
import { Form } from './Form';
import { Answered, day, facts, minute, useAct, useLoad } from './load';
import { PassOn } from './Node';
import { w } from './words';

interface Person {
  email: string;
  role: string;
  is_invited: boolean;
}

export function People({ site }: { site: string }) {
  const load = useLoad<{ people: Person[] }>(`/api/people?${new URLSearchParams({ site })}`, 'people');
  const [act, refusal] = useAct();
  if (load.error?.status === 403) return null; // for owners only
  const set = async (email: string, role: string | null) => {
    const answer = await change<{ setup_url?: string }>('people', { site, email, role });
    await load.again();
    return answer.setup_url && <PassOn url={answer.setup_url} />;
  };
  return (
    <section class="panel">
      <header>
        <h2>{w.people.title}</h2>
      </header>
      <Answered load={load}>
        {({ people }) => (
          <>
            {people.length === 0 && <p class="note">{w.people.none}</p>}
            <ul class="rows">
              {people.map((person) => (
                <li key={person.email}>
                  <span>
                    {person.email}{' '}
                    <small>
                      {facts(w.role[person.role] ?? person.role, person.is_invited && w.users.state.invited)}
                    </small>
                  </span>
                  <button type="button" class="control" onClick={() => act(() => set(person.email, null))}>
                    {w.people.remove}
                  </button>
                </li>
              ))}
            </ul>
          </>
        )}
      </Answered>
      {refusal}
      <Form
        submit={w.people.add}
        fields={[
          { name: 'email', label: w.signIn.email, type: 'email' },
          { name: 'role', label: w.people.role, options: w.people.roles },
        ]}
        send={({ email = '', role = '' }) => set(email, role)}
      />
    </section>
  );
}

interface Link {
  id: number;
  name: string;
  url: string;
  has_password: boolean;
  expires_at: number | null;
}

export function Links({ site }: { site: string }) {
  const load = useLoad<{ links: Link[] }>(`/api/links?${new URLSearchParams({ site })}`, 'links');
  const [act, refusal] = useAct();
  const send = async (path: string, body: object) => {
    await change(path, { site, ...body });
    await load.again();
  };
  return (
    <section class="panel">
      <header>
        <h2>{w.links.title}</h2>
      </header>
      <Answered load={load}>
        {({ links }) => (
          <>
            {links.length === 0 && <p class="note">{w.links.none}</p>}
            <ul class="rows">
              {links.map((link) => (
                <LinkRow key={link.id} link={link} remove={() => act(() => send('links/remove', { id: link.id }))} />
              ))}
            </ul>
          </>
        )}
      </Answered>
      {refusal}
      <Form
        submit={w.links.add}
        fields={[
          { name: 'name', label: w.links.name },
          { name: 'password', label: w.links.password, type: 'password', autocomplete: 'new-password', optional: true },
          { name: 'days', label: w.links.days, type: 'number', optional: true },
        ]}
        send={({ name, password, days }) => send('links', { name, password, days: days ? Number(days) : null })}
      />
    </section>
  );
}

function LinkRow({ link, remove }: { link: Link; remove: () => void }) {
  return (
    <li>
      <span>
        {link.name}{' '}
        <small>
          {facts(link.has_password && w.links.locked, until(link.expires_at))}
        </small>
      </span>
      <button type="button" class="control" onClick={remove}>
        {w.links.remove}
      </button>
      <CopyLine text={link.url} label={link.name} />
      <details>
        <summary>{w.links.embed}</summary>
        <CopyLine text={frameOf(link.url)} label={w.links.embed} />
      </details>
    </li>
  );
}

/** What shows the numbers inside a page of one's own; docs/tour.md has the parameters. */
function frameOf(url: string): string {
  const address = `${url}&theme=system`.replaceAll('&', '&amp;');
  return `<iframe src="${address}" style="width: 100%; height: 1600px; border: 0" loading="lazy"></iframe>`;
}

interface Token {
  id: number;
  name: string;
  shown: string;
  scopes: string[];
  expires_at: number | null;
  last_used_at: number | null;
}

export function Tokens({ site }: { site: string }) {
  const load = useLoad<{ tokens: Token[] }>(`/api/tokens?${new URLSearchParams({ site })}`, 'tokens');
  const [act, refusal] = useAct();
  const revoke = async (id: number) => {
    await change('tokens/revoke', { site, id });
    await load.again();
  };
  return (
    <section class="panel">
      <header>
        <h2>{w.tokens.title}</h2>
      </header>
      <Answered load={load}>
        {({ tokens }) => (
          <>
            {tokens.length === 0 && <p class="note">{w.tokens.none}</p>}
            <ul class="rows">
              {tokens.map((token) => (
                <TokenRow key={token.id} token={token} revoke={() => act(() => revoke(token.id))} />
              ))}
            </ul>
          </>
        )}
      </Answered>
      {refusal}
      <Form
        submit={w.tokens.add}
        fields={[
          { name: 'name', label: w.tokens.name },
          { name: 'scope', label: w.tokens.scope, options: w.tokens.scopes },
          { name: 'days', label: w.tokens.days, type: 'number', optional: true },
        ]}
        send={async ({ name, scope, days }) => {
          const body = { site, name, scopes: [scope], days: days ? Number(days) : null };
          const made = await change<{ secret: string }>('tokens', body);
          await load.again();
          return (
            <>
              <p>{w.tokens.once}</p>
              <CopyLine text={made.secret} label={w.tokens.title} />
            </>
          );
        }}
      />
    </section>
  );
}

function TokenRow({ token, revoke }: { token: Token; revoke: () => void }) {
  return (
    <li>
      <span>
        {token.name} <code>{token.shown}…</code>{' '}
        <small>
          {facts(
            token.scopes.map((scope) => w.tokens.scopes[scope] ?? scope).join(', '),
            until(token.expires_at),
            token.last_used_at ? fill(w.tokens.used, { time: minute(token.last_used_at) }) : w.tokens.never,
          )}
        </small>
      </span>
      <button type="button" class="control" onClick={revoke}>
        {w.tokens.revoke}
      </button>
    </li>
  );
}

function until(end: number | null): string | null {
  return end === null ? null : fill(w.links.until, { day: day(end) });
}

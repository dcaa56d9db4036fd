/** For operators: the users and the sites of this server. */

import { change } from '../api/change';
import { useState } from 'preact/hooks';
import { browserTimezone } from '../operator/hosts';
import { CopyLine } from '../ui/CopyLine';
import { Form } from './Form';
import { Answered, facts, useAct, useLoad } from './load';
import { w } from './words';

interface User {
  email: string;
  is_operator: boolean;
  state: string;
  roles: Record<string, string>;
}

export function Users() {
  const load = useLoad<{ users: User[] }>('/api/users', 'users');
  const [act, refusal] = useAct();
  const [passOn, setPassOn] = useState('');
  const send = (how: string, email: string) =>
    act(async () => {
      setPassOn('');
      const answer = await change<{ setup_url?: string }>(`users/${how}`, { email });
      setPassOn(answer.setup_url ?? '');
      await load.again();
    });

  return (
    <section class="panel">
      <header>
        <h2>{w.users.title}</h2>
      </header>
      <Answered load={load}>
        {({ users }) => (
          <ul class="rows">
            {users.map((user) => (
              <UserRow key={user.email} user={user} send={(how) => void send(how, user.email)} />
            ))}
          </ul>
        )}
      </Answered>
      {refusal}
      {passOn && <PassOn url={passOn} />}
      <Form
        title={w.users.add}
        submit={w.users.do}
        fields={[
          { name: 'email', label: w.signIn.email, type: 'email' },
          { name: 'operator', label: w.users.operator, type: 'checkbox' },
        ]}
        send={async ({ email, operator }) => {
          const made = await change<{ setup_url: string }>('users', { email, operator: operator !== undefined });
          await load.again();
          return <PassOn url={made.setup_url} />;
        }}
      />
    </section>
  );
}

function UserRow({ user, send }: { user: User; send: (how: 'link' | 'enable' | 'disable') => void }) {
  const isDisabled = user.state === 'disabled';
  return (
    <li>
      <span>
        {user.email} <small>{facts(user.is_operator ? w.own.operator : roles(user), w.users.state[user.state])}</small>
      </span>
      {!isDisabled && (
        <button type="button" class="control" onClick={() => send('link')}>
          {w.users.link}
        </button>
      )}
      <button type="button" class="control" onClick={() => send(isDisabled ? 'enable' : 'disable')}>
        {isDisabled ? w.users.enable : w.users.disable}
      </button>
    </li>
  );
}

export function PassOn({ url }: { url: string }) {
  return (
    <>
      <p>{w.users.passOn}</p>
      <CopyLine text={url} label={w.users.link} />
    </>
  );
}

function roles(user: User): string {
  return Object.entries(user.roles)
    .map(([site, role]) => `${site}: ${w.role[role] ?? role}`)
    .join(', ');
}

export interface SiteRow {
  domain: string;
  role: string;
}

export function Sites({ mayAdd }: { mayAdd: boolean }) {
  const load = useLoad<{ sites: SiteRow[] }>('/api/sites', 'sites');
  return (
    <section class="panel">
      <header>
        <h2>{w.sites.title}</h2>
      </header>
      <Answered load={load}>
        {({ sites }) => (
          <ul class="rows">
            {sites.map(({ domain, role }) => (
              <li key={domain}>
                {role === 'viewer' ? <span>{domain}</span> : <a href={`/account?${new URLSearchParams({ site: domain })}`}>{domain}</a>}
                <small>{w.role[role] ?? role}</small>
                {role !== 'viewer' && (
                  <a class="control" href={`/settings?${new URLSearchParams({ site: domain })}`}>
                    {w.sites.settings}
                  </a>
                )}
              </li>
            ))}
          </ul>
        )}
      </Answered>
      {mayAdd && (
        <Form
          title={w.sites.add}
          submit={w.sites.do}
          fields={[
            { name: 'domain', label: w.sites.domain },
            { name: 'timezone', label: w.sites.timezone, value: browserTimezone() },
          ]}
          send={async (values) => {
            await change('sites', values);
            await load.again();
          }}
        />
      )}
    </section>
  );
}

/** One's own account: password, passkeys, one-time codes, sessions. */

import { useState } from 'preact/hooks';
import { type Account, change } from '../api/change';
import { count } from '../format';
import { fill, plural } from '../i18n';
import { CopyLine } from '../ui/CopyLine';
import { type Field, Form } from './Form';
import { Answered, minute, useAct, useLoad } from './load';
import { Passkeys } from './Passkeys';
import { w } from './words';

const PASSWORD: Field = { name: 'password', label: w.own.old, type: 'password', autocomplete: 'current-password' };

export function Own({ account, again }: { account: Account; again: () => void }) {
  return (
    <>
      <section class="panel">
        <header>
          <h2>
            {account.email} {account.is_operator && <small>{w.own.operator}</small>}
          </h2>
          <button type="button" class="control" onClick={signOut}>
            {w.own.signOut}
          </button>
        </header>
        <Form
          title={w.own.password}
          submit={w.own.change}
          fields={[
            PASSWORD,
            { name: 'new', label: w.own.new, type: 'password', autocomplete: 'new-password' },
          ]}
          send={async (values) => {
            await change('account/password', values);
            return w.own.changed;
          }}
        />
      </section>
      <Passkeys password={PASSWORD} />
      <Totp account={account} again={again} />
      <Sessions />
    </>
  );
}

async function signOut(): Promise<void> {
  await change('account/logout', {});
  location.replace('/login');
}

interface Begun {
  secret: string;
  uri: string;
  /** The same as a QR code, in SVG. */
  qr: string;
}

function Totp({ account, again }: { account: Account; again: () => void }) {
  const [begun, setBegun] = useState<Begun>();
  const [codes, setCodes] = useState<string[]>();
  const [act, refusal] = useAct();
  async function send(path: string, body: object): Promise<void> {
    const answer = await change<{ recovery_codes?: string[] }>(path, body);
    setCodes(answer.recovery_codes);
    setBegun(undefined);
    again();
  }

  return (
    <section class="panel">
      <header>
        <h2>{w.totp.title}</h2>
      </header>
      <p>{account.has_totp ? plural(w.totp.on, account.recovery_left, count(account.recovery_left)) : w.totp.off}</p>
      {codes && (
        <div role="status">
          <p>{w.totp.codes}</p>
          <CopyLine text={codes.join(' ')} label={w.totp.renew} />
        </div>
      )}
      {begun ? (
        <>
          <p>{w.totp.scan}</p>
          <img class="qr" src={`data:image/svg+xml,${encodeURIComponent(begun.qr)}`} alt={w.totp.qr} />
          <CopyLine text={begun.secret} label={w.totp.key} />
          <p>
            <a href={begun.uri}>{w.totp.app}</a>
          </p>
          <Form
            submit={w.totp.finish}
            fields={[{ name: 'code', label: w.totp.code, autocomplete: 'one-time-code' }, PASSWORD]}
            send={(values) => send('account/totp', { secret: begun.secret, ...values })}
          />
        </>
      ) : account.has_totp ? (
        <>
          <Form submit={w.totp.renew} fields={[PASSWORD]} send={(values) => send('account/recovery', values)} />
          <Form submit={w.totp.remove} fields={[PASSWORD]} send={(values) => send('account/totp/remove', values)} />
        </>
      ) : (
        <button
          type="button"
          class="control"
          onClick={() => act(async () => setBegun(await change<Begun>('account/totp/begin', {})))}
        >
          {w.totp.begin}
        </button>
      )}
      {refusal}
    </section>
  );
}

interface Session {
  id: number;
  label: string;
  used_at: number;
  is_this: boolean;
}

function Sessions() {
  const load = useLoad<{ sessions: Session[] }>('/api/account/sessions', 'sessions');
  const [act, refusal] = useAct();
  const end = (id: number | null) =>
    act(async () => {
      await change('account/sessions/end', { id });
      await load.again();
    });
  return (
    <section class="panel">
      <header>
        <h2>{w.sessions.title}</h2>
        {load.data && load.data.sessions.length > 1 && (
          <button type="button" class="control" onClick={() => end(null)}>
            {w.sessions.others}
          </button>
        )}
      </header>
      <Answered load={load}>
        {({ sessions }) => (
          <ul class="rows">
            {sessions.map((session) => (
              <li key={session.id}>
                <span>
                  {session.label} <small>{session.is_this ? w.sessions.this : fill(w.sessions.used, { time: minute(session.used_at) })}</small>
                </span>
                {!session.is_this && (
                  <button type="button" class="control" onClick={() => end(session.id)}>
                    {w.sessions.end}
                  </button>
                )}
              </li>
            ))}
          </ul>
        )}
      </Answered>
      {refusal}
    </section>
  );
}

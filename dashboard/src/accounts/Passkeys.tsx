/** Passkeys: those of an account, one more of this device, and the button that signs in with one. */

import { useState } from 'preact/hooks';
import { change } from '../api/change';
import { fill } from '../i18n';
import { type Field, Form } from './Form';
import { Answered, minute, useLoad } from './load';
import { type Asked, canPasskey, make, sign } from './passkey';
import { w } from './words';

interface Passkey {
  id: number;
  name: string;
  host: string;
  used_at: number | null;
}

export function Passkeys({ password }: { password: Field }) {
  const load = useLoad<{ passkeys: Passkey[] }>('/api/account/passkeys', 'passkeys');
  const [going, setGoing] = useState<Passkey>();
  return (
    <section class="panel">
      <header>
        <h2>{w.passkeys.title}</h2>
      </header>
      <p>{w.passkeys.what}</p>
      <Answered load={load}>
        {({ passkeys }) => (
          <ul class="rows">
            {passkeys.map((passkey) => (
              <li key={passkey.id}>
                <span>
                  {passkey.name}{' '}
                  <small>
                    {passkey.host}{' '}
                    {passkey.used_at ? fill(w.tokens.used, { time: minute(passkey.used_at) }) : w.tokens.never}
                  </small>
                </span>
                <button type="button" class="control" onClick={() => setGoing(passkey)}>
                  {w.passkeys.remove}
                </button>
              </li>
            ))}
          </ul>
        )}
      </Answered>
      {going && (
        <Form
          key={going.id}
          title={fill(w.passkeys.removing, { name: going.name })}
          submit={w.passkeys.remove}
          fields={[password]}
          send={async (values) => {
            await change('account/passkeys/remove', { id: going.id, ...values });
            setGoing(undefined);
            await load.again();
          }}
        />
      )}
      {canPasskey() ? (
        <Form
          submit={w.passkeys.add}
          fields={[{ name: 'name', label: w.passkeys.name, optional: true }, password]}
          send={async ({ name, password }) => {
            const { options } = await change<{ options: Asked }>('account/passkeys/begin', { password });
            await change('account/passkeys', { name, credential: await make(options) });
            await load.again();
          }}
        />
      ) : (
        <p class="note">{w.passkeys.unable}</p>
      )}
    </section>
  );
}

/** Nothing where the browser has none here. */
export function PasskeySignIn({ enter }: { enter: () => void }) {
  if (!canPasskey()) return null;
  return (
    <Form
      submit={w.passkeys.do}
      fields={[]}
      send={async () => {
        const { options } = await change<{ options: Asked }>('account/passkey/begin', {});
        await change('account/passkey', { credential: await sign(options) });
        enter();
      }}
    />
  );
}

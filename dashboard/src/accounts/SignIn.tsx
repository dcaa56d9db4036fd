/** Signing in, the first account, an invitation, and the password of a shared link. */

import { useEffect, useState } from 'preact/hooks';
import { access, ApiError } from '../api/client';
import { change, whoAmI } from '../api/change';
import { fill } from '../i18n';
import { Coded } from './Coded';
import { type Field, Form, said, type Values } from './Form';
import { PasskeySignIn } from './Passkeys';
import { w } from './words';

const NEW_LINK = 'statnive user passwd EMAIL';
const EMAIL: Field = { name: 'email', label: w.signIn.email, type: 'email', autocomplete: 'username' };

export function SignIn() {
  const [needsSetup, setNeedsSetup] = useState(false);
  const [needsCode, setNeedsCode] = useState(false);
  useEffect(() => void whoAmI().then((answer) => setNeedsSetup(answer.needs_setup), () => {}), []);
  if (needsSetup) return <p>{w.setup.needed}</p>;

  async function send(values: Values): Promise<void> {
    try {
      await change('account/login', values);
    } catch (error) {
      if (error instanceof ApiError && error.field === 'code') setNeedsCode(true);
      throw error;
    }
    enter();
  }

  return (
    <>
      <h1>{w.signIn.title}</h1>
      <Form
        submit={w.signIn.do}
        send={send}
        fields={[
          EMAIL,
          { name: 'password', label: w.signIn.password, type: 'password', autocomplete: 'current-password' },
          ...(needsCode ? [{ name: 'code', label: w.signIn.code, autocomplete: 'one-time-code' }] : []),
        ]}
      />
      <PasskeySignIn enter={enter} />
      <p class="note">
        <Coded sentence={w.signIn.forgotten} code={NEW_LINK} />
      </p>
    </>
  );
}

/** A whole new page: nothing that was read before the sign-in stays. */
function enter(): void {
  if (location.pathname === '/login') location.replace('/');
  else location.reload();
}

export function SetUp() {
  const link = location.hash.slice(1);
  const [email, setEmail] = useState<string | null>();
  const [error, setError] = useState<ApiError>();
  useEffect(() => {
    change<{ email: string | null }>('account/setup/look', { link }).then(
      (answer) => setEmail(answer.email),
      (cause: ApiError) => setError(cause),
    );
  }, []);
  if (error) {
    return (
      <>
        <h1>{error.field === 'link' ? w.setup.over : said(error)}</h1>
        <p>
          <Coded sentence={w.setup.again} code={NEW_LINK} />
        </p>
      </>
    );
  }
  if (email === undefined) return null;
  return (
    <>
      <h1>{email === null ? w.setup.title : fill(w.setup.invited, { email })}</h1>
      <Form
        submit={w.setup.do}
        fields={[
          ...(email === null ? [EMAIL] : []),
          { name: 'password', label: w.signIn.password, type: 'password', autocomplete: 'new-password' },
        ]}
        send={async (values) => {
          const made = await change<{ account: object | null }>('account/setup', { link, ...values });
          if (!made.account) return <a href="/login">{w.setup.done}</a>;
          location.replace('/');
          return undefined;
        }}
      />
      <p class="note">{w.setup.hint}</p>
    </>
  );
}

/** A shared link that needs a password; `opened` reads again with the key that it gave. */
export function LinkPassword({ opened }: { opened: () => void }) {
  return (
    <>
      <h1>{w.links.ask}</h1>
      <Form
        submit={w.links.show}
        fields={[{ name: 'password', label: w.signIn.password, type: 'password' }]}
        send={async ({ password }) => {
          const link = access['x-statnive-link'];
          access['x-statnive-link'] = (await change<{ key: string }>('links/open', { link, password })).key;
          opened();
        }}
      />
    </>
  );
}

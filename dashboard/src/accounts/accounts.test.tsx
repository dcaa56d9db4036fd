// @vitest-environment happy-dom

/** Signing in, the pages of an account, and what stands in place of numbers that one may not see. */

import { act } from 'preact/test-utils';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { render } from 'preact';
import { ApiError } from '../api/client';
import { until } from '../testing';
import { Accounts } from '.';

interface Sent {
  path: string;
  body?: Record<string, unknown>;
  csrf?: string | null;
}

type Reply = unknown | ((body: Record<string, unknown>) => unknown);

let page: HTMLElement;
let sent: Sent[];

/** A number is a status with that error; [status, field] one with a field. */
function serve(replies: Record<string, Reply>): void {
  sent = [];
  vi.stubGlobal('fetch', async (address: string, init: RequestInit = {}) => {
    const path = address.split('?')[0] ?? '';
    const body = init.body ? (JSON.parse(String(init.body)) as Record<string, unknown>) : undefined;
    sent.push({ path, ...(body && { body }), csrf: new Headers(init.headers).get('x-statnive-csrf') });
    const key = `${init.method ?? 'GET'} ${path}`;
    const found = replies[key];
    const reply = typeof found === 'function' ? found(body ?? {}) : (found ?? [404, null]);
    if (!Array.isArray(reply)) return new Response(JSON.stringify(reply));
    const [status, field] = reply;
    return new Response(JSON.stringify({ error: { field, message: `refused ${status}` } }), { status });
  });
}

function open(address: string, error?: ApiError, retry = () => {}): void {
  history.replaceState(null, '', address);
  render(<Accounts error={error} retry={retry} />, page);
}

async function fill(values: Record<string, string>, form = 0): Promise<void> {
  const element = page.querySelectorAll('form')[form] as HTMLFormElement;
  for (const [name, value] of Object.entries(values)) {
    (element.elements.namedItem(name) as HTMLInputElement).value = value;
  }
  await act(() => void element.dispatchEvent(new SubmitEvent('submit', { bubbles: true, cancelable: true })));
}

const ANN = { email: 'ann@example.com', is_operator: true, has_totp: false, recovery_left: 0 };
const NOBODY = { mode: 'accounts', needs_setup: false, account: null };
const SIGNED_IN = { ...NOBODY, account: ANN, csrf: 'c1' };

beforeEach(() => {
  page = document.createElement('div');
  document.body.append(page);
});

afterEach(async () => {
  await act(() => render(null, page));
  page.remove();
  vi.unstubAllGlobals();
});

test('a sign-in asks for the code only when it is due, and says what is wrong', async () => {
  serve({
    'GET /api/account': NOBODY,
    'POST /api/account/login': ({ password }: Record<string, unknown>) =>
      password === 'right' ? [401, 'code'] : [401, null],
  });
  open('/login');
  await until(() => expect(sent.length).toBeGreaterThan(0));
  await fill({ email: 'ann@example.com', password: 'wrong' });
  await until(() => expect(page.querySelector('[role=alert]')?.textContent).toBe('refused 401'));
  expect(page.querySelector('[name=code]')).toBeNull();
  await fill({ email: 'ann@example.com', password: 'right' });
  await until(() => expect(page.querySelector('[name=code]')).not.toBeNull());
});

test('while nobody has an account the page says where the link is', async () => {
  serve({ 'GET /api/account': { ...NOBODY, needs_setup: true } });
  open('/');
  await until(() => expect(page.textContent).toContain('printed a link'));
  expect(page.querySelector('form')).toBeNull();
});

/** A browser that has passkeys, whose authenticator answers so. */
function authenticator(answer: { create?: () => unknown; get?: () => unknown }): Record<string, unknown>[] {
  const asked: Record<string, unknown>[] = [];
  const answered = (reply: (() => unknown) | undefined) => async ({ publicKey }: { publicKey: Record<string, unknown> }) => {
    asked.push(publicKey);
    return reply?.();
  };
  vi.stubGlobal('isSecureContext', true);
  vi.stubGlobal('PublicKeyCredential', class {});
  const credentials = { create: answered(answer.create), get: answered(answer.get) };
  Object.defineProperty(navigator, 'credentials', { value: credentials, configurable: true });
  return asked;
}

const buffer = (...bytes: number[]) => Uint8Array.from(bytes).buffer;

test('a passkey signs in: the device gets the challenge as bytes, the server what it signed as text', async () => {
  const response = { clientDataJSON: buffer(123, 125), authenticatorData: buffer(255, 254, 253), signature: buffer(1), userHandle: null };
  const asked = authenticator({ get: () => ({ id: 'AQI', rawId: buffer(1, 2), type: 'public-key', response }) });
  serve({
    'GET /api/account': NOBODY,
    'POST /api/account/passkey/begin': { options: { challenge: '-_8', rpId: 'localhost', userVerification: 'required' } },
    'POST /api/account/passkey': [401, 'passkey'],
  });
  open('/login');
  await until(() => expect(page.querySelectorAll('form').length).toBe(2));
  await fill({}, 1);
  await until(() => expect(page.textContent).toContain('refused 401'));
  expect(asked).toEqual([{ challenge: Uint8Array.of(251, 255), rpId: 'localhost', userVerification: 'required' }]);
  expect(sent.find(({ path }) => path === '/api/account/passkey')?.body).toEqual({
    credential: {
      id: 'AQI',
      rawId: 'AQI',
      type: 'public-key',
      response: { clientDataJSON: 'e30', authenticatorData: '__79', signature: 'AQ' },
    },
  });
});

test('who wants no passkey after all is told so, and nothing is sent', async () => {
  authenticator({
    get: () => {
      throw new DOMException('', 'NotAllowedError');
    },
  });
  serve({ 'GET /api/account': NOBODY, 'POST /api/account/passkey/begin': { options: { challenge: 'AA' } } });
  open('/login');
  await until(() => expect(page.querySelectorAll('form').length).toBe(2));
  await fill({}, 1);
  await until(() => expect(page.textContent).toContain('No passkey was used'));
  expect(sent.some(({ path }) => path === '/api/account/passkey')).toBe(false);
});

test('a passkey is added with the password, and removed with it', async () => {
  const response = { clientDataJSON: buffer(1), attestationObject: buffer(2) };
  const asked = authenticator({ create: () => ({ id: 'Aw', rawId: buffer(3), type: 'public-key', response }) });
  const passkeys = [{ id: 7, name: 'old key', host: 'localhost', used_at: null }];
  const user = { id: 'AQ', name: ANN.email, displayName: ANN.email };
  const excludeCredentials = [{ type: 'public-key', id: 'BQ' }];
  serve({
    'GET /api/account': SIGNED_IN,
    'GET /api/account/passkeys': { passkeys },
    'POST /api/account/passkeys/begin': { options: { challenge: 'AA', user, excludeCredentials } },
    'POST /api/account/passkeys': { passkeys },
    'POST /api/account/passkeys/remove': { passkeys: [] },
  });
  open('/account');
  await until(() => expect(page.textContent).toContain('old key localhost never used'));
  await fill({ name: 'laptop', password: 'right' }, 1);
  await until(() => expect(sent.some(({ path }) => path === '/api/account/passkeys/begin')).toBe(true));
  await until(() => expect(sent.find(({ body }) => body?.name === 'laptop')?.body?.credential).toBeDefined());
  expect(asked[0]).toMatchObject({ user: { id: Uint8Array.of(1) }, excludeCredentials: [{ id: Uint8Array.of(5) }] });
  const remove = [...page.querySelectorAll('button')].find((button) => button.textContent === 'Remove');
  await act(() => remove?.click());
  await fill({ password: 'right' }, 1);
  await until(() => expect(sent.find(({ path }) => path.endsWith('/remove'))?.body).toEqual({ id: 7, password: 'right' }));
});

test('a used setup link says so, and the secret of a link is sent in a body only', async () => {
  serve({ 'GET /api/account': NOBODY, 'POST /api/account/setup/look': [400, 'link'] });
  open('/setup#s3cret');
  await until(() => expect(page.textContent).toContain('was used or has expired'));
  expect(sent.find(({ path }) => path.endsWith('/look'))?.body).toEqual({ link: 's3cret' });
  expect(sent.some(({ path }) => path.includes('s3cret'))).toBe(false);
});

test('a locked link is opened by its password, and the numbers are read again with the key', async () => {
  serve({ 'GET /api/account': NOBODY, 'POST /api/links/open': { key: 'k1' } });
  const retry = vi.fn();
  open('/?auth=l1', new ApiError('refused', '', 401, 'password'), retry);
  await fill({ password: 'open sesame' });
  await until(() => expect(retry).toHaveBeenCalledOnce());
  const { access } = await import('../api/client');
  expect(access['x-statnive-link']).toBe('k1');
  delete access['x-statnive-link'];
});

test('an account shows its sessions and ends one with the token of the session', async () => {
  const sessions = [
    { id: 1, label: 'Firefox, Linux', used_at: 1_790_000_000, is_this: true },
    { id: 2, label: 'Chrome, Android', used_at: 1_790_000_000, is_this: false },
  ];
  serve({
    'GET /api/account': SIGNED_IN,
    'GET /api/account/sessions': { sessions },
    'GET /api/sites': { sites: [{ domain: 'example.com', role: 'owner' }] },
    'GET /api/users': { users: [{ email: ANN.email, is_operator: true, state: 'active', roles: {} }] },
    'POST /api/account/sessions/end': { ended: 1 },
  });
  open('/account');
  await until(() => expect(page.textContent).toContain('Chrome, Android'));
  const end = [...page.querySelectorAll('button')].find((button) => button.textContent === 'End');
  await act(() => end?.click());
  await until(() => expect(sent.some(({ path }) => path === '/api/account/sessions/end')).toBe(true));
  const change = sent.find(({ path }) => path === '/api/account/sessions/end');
  expect(change).toEqual({ path: '/api/account/sessions/end', body: { id: 2 }, csrf: 'c1' });
  expect(page.querySelector('a[href="/account?site=example.com"]')).not.toBeNull();
});

test('a session that was renewed in another tab goes on with its new token', async () => {
  const { change } = await import('../api/change');
  let token = 'c2';
  serve({
    'GET /api/account': () => ({ ...SIGNED_IN, csrf: token }),
    'POST /api/x': () => (sent.at(-1)?.csrf === token ? { done: true } : [403, 'csrf']),
  });
  await change('x', {}); // whatever token is known from before
  token = 'c3';
  expect(await change('x', {})).toEqual({ done: true });
  expect(sent.filter(({ path }) => path === '/api/x').map(({ csrf }) => csrf)).toContain('c3');
});

test('a token of a site is shown once, and a link with where it leads', async () => {
  const link = { id: 3, name: 'board', url: 'http://n/share/a?auth=x', has_password: true, expires_at: null };
  serve({
    'GET /api/account': SIGNED_IN,
    'GET /api/people': { people: [{ email: 'bob@example.com', role: 'viewer', is_invited: true }] },
    'GET /api/links': { public: false, links: [link] },
    'GET /api/tokens': { tokens: [] },
    'POST /api/tokens': { secret: 'stnv_once' },
  });
  open('/account?site=example.com');
  await until(() => expect(page.textContent).toContain(link.url));
  expect(page.textContent).toContain('bob@example.com viewer · invited');
  expect(page.querySelector('details code')?.textContent).toContain('src="http://n/share/a?auth=x&amp;theme=system"');
  await fill({ name: 'grafana', days: '' }, 2);
  await until(() => expect(page.textContent).toContain('stnv_once'));
  expect(sent.find(({ body }) => body?.name === 'grafana')?.body).toEqual({
    site: 'example.com',
    name: 'grafana',
    scopes: ['stats:read'],
    days: null,
  });
});

test('a page of the dashboard asks to sign in, and goes on there', async () => {
  serve({ 'GET /api/account': NOBODY });
  history.replaceState(null, '', '/settings?site=example.com');
  dispatchEvent(new PopStateEvent('popstate'));
  open('/settings?site=example.com', new ApiError('refused', '', 401));
  expect(page.querySelector('h1')?.textContent).toBe('Sign in');
  await until(() => expect(document.title).toBe('Sign in · statnive'));
  history.replaceState(null, '', '/');
  dispatchEvent(new PopStateEvent('popstate'));
});

test('an address that is none says so', () => {
  serve({});
  open('/nothing/here');
  expect(page.textContent).toContain('There is nothing at this address');
});

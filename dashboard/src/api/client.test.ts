import { afterEach, expect, test, vi } from 'vitest';
import { ApiError, get, list, overview, sites, trend } from './client';

afterEach(() => vi.unstubAllGlobals());

function answer(body: string, status = 200): void {
  vi.stubGlobal('fetch', async () => new Response(body, { status }));
}

async function failure(): Promise<ApiError> {
  const error = await get(overview({ site: 'example.com', period: '7d' })).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ApiError);
  return error as ApiError;
}

test('an address carries the site and the days, quoted', () => {
  expect(sites().url).toBe('/api/sites');
  expect(overview({ site: 'a&b.example', from: '2026-01-01', to: '2026-01-31' }).url).toBe(
    '/api/stats/overview?site=a%26b.example&from=2026-01-01&to=2026-01-31',
  );
  expect(trend({ site: 'a.example', period: 'day' }, 'hour').url).toBe(
    '/api/stats/trend?site=a.example&period=day&interval=hour',
  );
  expect(list('os', { site: 'a.example', period: '30d' }, { limit: 10, offset: 20 }).url).toBe(
    '/api/stats/os?site=a.example&period=30d&limit=10&offset=20',
  );
});

test('a good answer is handed on', async () => {
  answer('{"sites":[]}');
  expect(await get(sites())).toEqual({ sites: [] });
});

test('a database error keeps the server’s words and is not an answer', async () => {
  answer('{"error":{"field":null,"message":"ClickHouse is down"}}', 503);
  expect(await failure()).toMatchObject({ kind: 'unavailable', status: 503, message: 'ClickHouse is down', field: null });
});

test('a refusal names the field', async () => {
  answer('{"error":{"field":"from","message":"not a date"}}', 400);
  expect(await failure()).toMatchObject({ kind: 'refused', field: 'from', message: 'not a date' });
});

test('a proxy’s error page is an error without words', async () => {
  answer('<h1>Bad gateway</h1>', 502);
  expect(await failure()).toMatchObject({ kind: 'unavailable', message: '' });
});

test('a good status with something else inside is unreadable', async () => {
  for (const body of ['<html>login</html>', '', '[]', 'null', '{"metrics":null}', '{"other":1}']) {
    answer(body);
    expect((await failure()).kind).toBe('unreadable');
  }
});

test('no answer is offline', async () => {
  vi.stubGlobal('fetch', async () => {
    throw new TypeError('Failed to fetch');
  });
  expect((await failure()).kind).toBe('offline');
});

test('an answer that never comes ends at the deadline', async () => {
  vi.stubGlobal('AbortSignal', { timeout: () => Object.assign(new EventTarget(), { aborted: true }), any: () => undefined });
  vi.stubGlobal('fetch', async () => {
    throw new DOMException('signal timed out', 'TimeoutError');
  });
  expect((await failure()).kind).toBe('timeout');
});

test('giving up is not a failure to be shown', async () => {
  const controller = new AbortController();
  vi.stubGlobal('fetch', async () => {
    controller.abort();
    throw new DOMException('aborted', 'AbortError');
  });
  const error = await get(sites(), controller.signal).catch((reason: unknown) => reason);
  expect(error).not.toBeInstanceOf(ApiError);
});

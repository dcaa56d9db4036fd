/** Changes: POST with what a browser's cookie alone does not allow, the session's token. For lazy code only. */

import { access, ApiError, type Read, get, refusal } from './client';

export interface Account {
  email: string;
  is_operator: boolean;
  has_totp: boolean;
  recovery_left: number;
}

export interface AccountAnswer {
  mode: 'accounts' | 'open';
  needs_setup: boolean;
  account: Account | null;
  csrf?: string;
}

export const ACCOUNT: Read<AccountAnswer> = { url: '/api/account', needs: ['mode'] };
const ANSWER_DEADLINE_MS = 60_000;

/** undefined: not asked for yet. */
let csrf: string | undefined;

/** Asks who is signed in, and keeps the token of the session. */
export async function whoAmI(): Promise<AccountAnswer> {
  const answer = await get(ACCOUNT);
  csrf = answer.csrf ?? '';
  return answer;
}

/** Sends a change, and gives back its answer. Throws an ApiError, with the field that is wrong where one is. */
export async function change<Answer = unknown>(path: string, body: object): Promise<Answer> {
  if (csrf !== undefined) {
    try {
      return await send<Answer>(path, body);
    } catch (error) {
      // The session was renewed in another tab: its token is a new one, and nothing was changed yet.
      if (!(error instanceof ApiError) || error.field !== 'csrf') throw error;
    }
  }
  await whoAmI();
  return send<Answer>(path, body);
}

async function send<Answer>(path: string, body: object): Promise<Answer> {
  let response: Response;
  let answer: unknown;
  try {
    response = await fetch(`/api/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-statnive-csrf': csrf ?? '', ...access },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_DEADLINE_MS),
    });
    answer = await response.json();
  } catch {
    throw new ApiError('offline');
  }
  if (!response.ok) throw refusal(response.status, answer);
  const token = (answer as { csrf?: string }).csrf;
  if (token) csrf = token;
  return answer as Answer;
}

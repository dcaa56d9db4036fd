/** The browser's side of passkeys: the server's JSON as bytes for the authenticator, and what it made as JSON. */

import { ApiError } from '../api/client';
import { w } from './words';

/** What the server sends: every string of bytes in base64url. */
export interface Asked {
  challenge: string;
  user?: { id: string; name: string; displayName: string };
  excludeCredentials?: { type: 'public-key'; id: string }[];
}

const BYTES = ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'userHandle'] as const;

/** Browsers have passkeys on encrypted pages under a name only, and on this machine's own. */
export function canPasskey(): boolean {
  return window.isSecureContext && 'PublicKeyCredential' in window && !/^[\d.]+$|:/.test(location.hostname);
}

/** Makes a passkey on this device. Throws an ApiError when the person did not want to, or could not. */
export function make(asked: Asked): Promise<object> {
  const { user, excludeCredentials } = asked;
  const publicKey = {
    ...asked,
    challenge: bytes(asked.challenge),
    user: user && { ...user, id: bytes(user.id) },
    excludeCredentials: excludeCredentials?.map((key) => ({ ...key, id: bytes(key.id) })),
  } as unknown as PublicKeyCredentialCreationOptions;
  return done(navigator.credentials.create({ publicKey }));
}

/** Lets the person choose a passkey of this page, and sign with it. Throws as `make` does. */
export function sign(asked: Asked): Promise<object> {
  const publicKey = { ...asked, challenge: bytes(asked.challenge) } as unknown as PublicKeyCredentialRequestOptions;
  return done(navigator.credentials.get({ publicKey }));
}

async function done(promise: Promise<Credential | null>): Promise<object> {
  const made = (await promise.catch(() => null)) as PublicKeyCredential | null;
  if (!made) throw new ApiError('refused', w.passkeys.cancelled);
  const response = made.response as unknown as Record<string, unknown>;
  const told = BYTES.filter((name) => response[name] instanceof ArrayBuffer);
  return {
    id: made.id,
    rawId: text(made.rawId),
    type: made.type,
    response: Object.fromEntries(told.map((name) => [name, text(response[name] as ArrayBuffer)])),
  };
}

function bytes(base64url: string): Uint8Array {
  const plain = atob(base64url.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(plain, (char) => char.charCodeAt(0));
}

function text(buffer: ArrayBuffer): string {
  const plain = btoa(String.fromCharCode(...new Uint8Array(buffer)));
  return plain.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

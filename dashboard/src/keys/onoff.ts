/** Whether single keys are shortcuts here. */

const KEY = 'keys';
let off = remembered();

export const keysAreOn = (): boolean => !off;

export function turnKeys(on: boolean): void {
  off = !on;
  try {
    if (on) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, 'off');
  } catch {
    // storage is blocked: the choice lasts as long as the page
  }
}

function remembered(): boolean {
  try {
    return localStorage.getItem(KEY) === 'off';
  } catch {
    return false;
  }
}

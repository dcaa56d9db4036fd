/**
 * A hostname that anyone on the network can send ends up in a command that an operator pastes into a shell: only
 * what can be a hostname may get there.
 */
export function isHostname(host: string): boolean {
  return host.length <= 253 && /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i.test(host);
}

export function addCommand(host: string, timezone: string): string {
  return `statnive site add ${host} --timezone ${timezone}`;
}

export function browserTimezone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

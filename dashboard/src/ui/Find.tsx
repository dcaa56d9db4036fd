/** A field to find something in a list by a part of its name. */

interface Props {
  /** What one looks for. */
  label: string;
  value: string;
  set: (value: string) => void;
}

export function Find({ label, value, set }: Props) {
  return (
    <input
      type="search"
      value={value}
      placeholder={label}
      aria-label={label}
      onInput={(event) => set(event.currentTarget.value)}
    />
  );
}

/** Whether `name` has in it what was typed, in letters of either case. */
export function found(name: string, typed: string): boolean {
  return name.toLowerCase().includes(typed.trim().toLowerCase());
}

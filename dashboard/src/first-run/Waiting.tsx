import './first-run.css';

export function Waiting({ text }: { text: string }) {
  return (
    <p class="waiting" role="status">
      <i aria-hidden="true" />
      {text}
    </p>
  );
}

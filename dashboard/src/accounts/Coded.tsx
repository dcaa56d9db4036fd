/** A sentence with a piece of code in it: "{command}" or "{setting}" is where it stands, whatever way the text runs. */

interface Props {
  sentence: string;
  code: string;
}

export function Coded({ sentence, code }: Props) {
  const [before = '', after = ''] = sentence.split(/\{\w+\}/);
  return (
    <>
      {before}
      <code dir="ltr">{code}</code>
      {after}
    </>
  );
}

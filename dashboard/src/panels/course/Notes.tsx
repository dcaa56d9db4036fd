/** Notes on days: what there is, one more, one less. */

import { useState } from 'preact/hooks';
import { ApiError, notes as notesRead, post } from '../../api/more';
import type { Note } from '../../api/types';
import { dates, DAY } from '../../format';
import { fill, t } from '../../i18n/whole';
import { utc } from '../../state/dates';
import { reload } from '../../state/refresh';
import { said } from '../../ui/Failure';
import { Icon } from '../../ui/more-icons';
import { Popover } from '../../ui/Popover';
import { PopoverPanel } from '../../ui/PopoverPanel';

const TEXT_CHARS_MAX = 200;

interface Props {
  site: string;
  notes: Note[];
  today: string;
}

export function Notes({ site, notes, today }: Props) {
  return (
    <Popover title={t.notes.title} class="notes" button={<Icon name="note" />}>
      {(close) => (
        <PopoverPanel title={t.notes.title} close={close}>
          <NotesForm site={site} notes={notes} today={today} />
        </PopoverPanel>
      )}
    </Popover>
  );
}

function NotesForm({ site, notes, today }: Props) {
  const [day, setDay] = useState(today);
  const [text, setText] = useState('');
  const [wrong, setWrong] = useState('');
  const send = async (path: string, body: object) => {
    try {
      await post(path, { site, ...body });
      setWrong('');
      setText('');
    } catch (error) {
      setWrong(error instanceof ApiError ? said(error) || t.error.kind[error.kind] : String(error));
    }
    reload(notesRead(site));
  };
  return (
    <>
      <form
        class="own-days"
        onSubmit={(event) => {
          event.preventDefault();
          void send('notes', { day, text });
        }}
      >
        <label>
          <span>{t.notes.day}</span>
          <input type="date" required value={day} onInput={(event) => setDay(event.currentTarget.value)} />
        </label>
        <label class="wide">
          <span>{t.notes.text}</span>
          <input
            type="text"
            required
            maxLength={TEXT_CHARS_MAX}
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </label>
        {wrong && (
          <p class="wrong" role="alert">
            {wrong}
          </p>
        )}
        <button type="submit" class="control main">
          {t.notes.add}
        </button>
      </form>
      <ul class="saved">
        {notes
          .slice()
          .reverse()
          .map((note) => (
            <li key={note.id}>
              <span>
                <small>{dates(DAY).format(utc(note.day))}</small> {note.text}
              </span>
              <button
                type="button"
                class="control plain step"
                aria-label={fill(t.notes.remove, { text: note.text })}
                onClick={() => void send(`notes/${note.id}/remove`, {})}
              >
                <Icon name="close" />
              </button>
            </li>
          ))}
      </ul>
    </>
  );
}

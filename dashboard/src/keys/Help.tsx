/** The keyboard's shortcuts, and the switch that turns them off: who dictates or slips types letters by accident. */

import { useState } from 'preact/hooks';
import { t } from '../i18n/whole';
import { PERIODS } from '../state/dates';
import { keysAreOn, turnKeys } from './onoff';
import { Dialog } from '../ui/Dialog';
import { PERIOD_KEYS } from './periods';
import { KEYS } from './press';

export function Help({ close }: { close: () => void }) {
  const [on, setOn] = useState(keysAreOn);
  return (
    <Dialog title={t.keys.title} class="help" close={close}>
      <div class="columns">
        <dl>
          {PERIODS.map((period) => (
            <div key={period}>
              <dt>
                <kbd>{PERIOD_KEYS[period]}</kbd>
              </dt>
              <dd>{t.period[period]}</dd>
            </div>
          ))}
        </dl>
        <dl>
          {KEYS.map((key, index) => (
            <div key={key}>
              <dt>
                <kbd>{key}</kbd>
              </dt>
              <dd>{t.keys.does[index]}</dd>
            </div>
          ))}
          <div>
            <dt>
              <kbd>Esc</kbd>
            </dt>
            <dd>{t.close}</dd>
          </div>
        </dl>
      </div>
      <label class="switch">
        <input
          type="checkbox"
          checked={on}
          onChange={(event) => {
            turnKeys(event.currentTarget.checked);
            setOn(keysAreOn());
          }}
        />
        <span>{t.keys.on}</span>
      </label>
    </Dialog>
  );
}

/** The pages beside the numbers, and the language. */

import type { Site } from '../api/types';
import { LANGUAGES, locale, rememberLanguage } from '../i18n';
import { t } from '../i18n/whole';
import { mayWrite } from '../state/may';
import { Link } from '../state/router';
import { Icon } from '../ui/more-icons';
import type { Close } from '../ui/Popover';
import { PopoverPanel } from '../ui/PopoverPanel';

interface Props {
  site: Site | undefined;
  several: boolean;
  operator: boolean | undefined;
  /** The shared link that the page was opened with: there is nothing but numbers then. */
  link: string | undefined;
  close: Close;
}

export function Menu({ site, several, operator, link, close }: Props) {
  return (
    <PopoverPanel title={t.menu} close={close}>
      <ul class="choices">
        {several && (
          <li>
            <Link to={{ site: undefined, view: undefined }}>{t.site.all}</Link>
          </li>
        )}
        {site && mayWrite(site) && (
          <li>
            <Link to={{ view: 'settings' }}>{t.menus.settings}</Link>
          </li>
        )}
        {operator && (
          <li>
            <Link to={{ view: 'operator' }}>{t.menus.operator}</Link>
          </li>
        )}
        {!link && (
          <li>
            <a href="/account">{t.menus.account}</a>
          </li>
        )}
      </ul>
      <Languages />
    </PopoverPanel>
  );
}

/** Each under its own name, as somebody looks for it who can't read the others. */
export function Languages() {
  const current = locale.slice(0, 2);
  return (
    <div role="group" aria-label={t.menus.language}>
      <h3 class="note">{t.menus.language}</h3>
      <ul class="choices">
        {LANGUAGES.map((language) => (
          <li key={language}>
            <button type="button" lang={language} aria-pressed={language === current} onClick={() => choose(language)}>
              <span>{nameOf(language)}</span>
              {language === current && <Icon name="check" />}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

function nameOf(language: string): string {
  const name = new Intl.DisplayNames(language, { type: 'language' }).of(language) ?? language;
  return name.charAt(0).toLocaleUpperCase(language) + name.slice(1);
}

/** Everything on the page speaks the language, numbers and dates too: a new page is the simplest way. */
function choose(language: string): void {
  rememberLanguage(language);
  location.reload();
}

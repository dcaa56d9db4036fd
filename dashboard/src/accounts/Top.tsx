/** The bar on top of the pages of accounts: the way home, the colours and the language. */

import { Languages } from '../header/Menu';
import { ThemeButton } from '../header/ThemeButton';
import { t } from '../i18n';
import { route } from '../state/router';
import { Icon, Logo } from '../ui/icons';
import { Popover } from '../ui/Popover';
import { PopoverPanel } from '../ui/PopoverPanel';

export function Top() {
  // A shared link with a password, inside another page.
  if (route().theme) return null;
  return (
    <header class="top">
      <a class="brand" href="/">
        <Logo />
        <span>statnive</span>
      </a>
      <span class="sites" />
      <ThemeButton />
      <Popover class="menu" title={t.menu} button={<Icon name="menu" />}>
        {(close) => (
          <PopoverPanel title={t.menu} close={close}>
            <Languages />
          </PopoverPanel>
        )}
      </Popover>
    </header>
  );
}

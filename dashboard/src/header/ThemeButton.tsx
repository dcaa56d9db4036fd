/** From light to dark and back. */

import { t } from '../i18n';
import { useTheme } from '../state/theme';
import { Icon } from '../ui/icons';

export function ThemeButton() {
  const [theme, toggle] = useTheme();
  const title = theme === 'dark' ? t.theme.light : t.theme.dark;
  return (
    <button type="button" class="control plain theme" onClick={toggle} aria-label={title} title={title}>
      <Icon name={theme === 'dark' ? 'sun' : 'moon'} />
    </button>
  );
}

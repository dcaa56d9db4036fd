import { render } from 'preact';
import { App } from './App';
import { chooseLanguage } from './i18n';
import './styles/tokens.css';
import './styles/base.css';
import './styles/controls.css';
import './styles/page.css';
import './styles/panels.css';

await chooseLanguage(navigator.languages);
const root = document.getElementById('app');
if (root) render(<App />, root);

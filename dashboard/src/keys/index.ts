/** The chunk of ways around: steps from days to days, the keyboard's shortcuts and the page that shows them. */
import '../ui/dialog.css';
export { Help } from './Help';
export { press } from './press';
export { Step } from '../header/Step';

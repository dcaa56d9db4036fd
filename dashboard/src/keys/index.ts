/** The chunk of the keyboard's shortcuts: what each does, and the page that shows them. */
import '../ui/dialog.css';
export { Help } from './Help';
export { press } from './press';

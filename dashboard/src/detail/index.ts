/** The chunk of the whole list. */
import '../ui/dialog.css';
import './detail.css';
export { Detail } from './Detail';

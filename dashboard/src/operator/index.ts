/** The chunk of the operator's page. */
export { OperatorPage } from './OperatorPage';

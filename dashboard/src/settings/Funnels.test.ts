import { expect, test } from 'vitest';
import { stepsOf } from './Funnels';

test('a line that begins like a path is a page, any other an event', () => {
  expect(stepsOf('/pricing\n\n  Signup \n**/done')).toEqual([{ page: '/pricing' }, { event: 'Signup' }, { page: '**/done' }]);
});

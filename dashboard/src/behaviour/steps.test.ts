import { expect, test } from 'vitest';
import { apiSteps, formatSteps, parseSteps, STEPS_MAX, typedStep } from './steps';

test('steps survive the address', () => {
  const texts = ['page:/pricing', 'event:Signup: paid', 'page:/a:b|c'];
  expect(formatSteps(parseSteps(texts))).toEqual(texts);
  expect(JSON.parse(apiSteps(parseSteps(texts)))).toEqual([
    { page: '/pricing' },
    { event: 'Signup: paid' },
    { page: '/a:b|c' },
  ]);
});

test('what is no step is left out, and there are eight at most', () => {
  expect(parseSteps(['', 'page:', 'goal:x', 'Signup'])).toEqual([]);
  expect(parseSteps(Array(20).fill('page:/'))).toHaveLength(STEPS_MAX);
});

test('a path is a page, a name an event', () => {
  expect(typedStep(' /pricing ')).toEqual({ kind: 'page', target: '/pricing' });
  expect(typedStep('**/thanks')).toEqual({ kind: 'page', target: '**/thanks' });
  expect(typedStep('Signup')).toEqual({ kind: 'event', target: 'Signup' });
  expect(typedStep('  ')).toBeUndefined();
});

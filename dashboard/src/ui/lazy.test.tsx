// @vitest-environment happy-dom

import { type ComponentType, render } from 'preact';
import { expect, test } from 'vitest';
import { until } from '../testing';
import { lazy, panel } from './lazy';

function draw(Lazy: ComponentType): HTMLElement {
  const root = document.createElement('div');
  render(<Lazy />, root);
  return root;
}

test('a panel on its way has the frame it will have', async () => {
  const root = draw(lazy(async () => () => <b>here</b>, panel('list')));
  expect(root.querySelector('.panel.list > .body > .skeleton')).not.toBeNull();
  await until(() => expect(root.innerHTML).toBe('<b>here</b>'));
});

test('a chunk that does not come is an error with a retry', async () => {
  const root = draw(lazy(() => Promise.reject(new Error('404')), panel('list')));
  await until(() => expect(root.querySelector('.panel.list .failure button')).not.toBeNull());
});

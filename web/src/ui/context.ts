import { getContext, setContext } from 'svelte';
import type { App } from '../lib/app.svelte';
import type { Ui } from '../lib/ui.svelte';

interface Parts { app: App; ui: Ui }

/** provide puts the page's state where every component below finds it with parts(). */
export function provide(all: Parts): void {
  setContext('hubbub', all);
}

export function parts(): Parts {
  return getContext<Parts>('hubbub');
}

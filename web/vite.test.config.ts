// Compiles the unit tests of test/ to plain modules for `node --test`: Node 20 does not strip types by itself.
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

const here = dirname(fileURLToPath(import.meta.url));
const tests = readdirSync(join(here, 'test')).filter((name) => name.endsWith('.test.ts'));

export default defineConfig({
  root: here,
  plugins: [svelte()],
  build: {
    ssr: true,
    outDir: 'test-out',
    emptyOutDir: true,
    rollupOptions: { input: tests.map((name) => join(here, 'test', name)), output: { entryFileNames: '[name].js' } },
  },
});

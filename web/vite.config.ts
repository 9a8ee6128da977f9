import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';

const here = dirname(fileURLToPath(import.meta.url));
const app = join(here, 'dist', 'app');

/** The files of the official client that a server hands to third-party pages, as npm ships them. */
const bundles = ['socket.io', 'socket.io.min', 'socket.io.esm.min', 'socket.io.msgpack.min'].flatMap((name) => [`${name}.js`, `${name}.js.map`]);

/** clientBundle copies them beside the page, with their version; the build fails if one is missing. */
function clientBundle(): Plugin {
  return {
    name: 'hubbub-client-bundle',
    apply: 'build',
    closeBundle() {
      const from = join(here, 'node_modules', 'socket.io-client');
      const to = join(app, 'client');
      mkdirSync(to, { recursive: true });
      for (const file of bundles) {
        const source = join(from, 'dist', file);
        if (!existsSync(source)) throw new Error(`socket.io-client has no dist/${file}`);
        copyFileSync(source, join(to, file));
      }
      const { version } = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8')) as { version: string };
      writeFileSync(join(to, 'VERSION'), `${version}\n`);
    },
  };
}

export default defineConfig({
  root: here,
  base: './', // relative addresses, so that a proxy may mount the page under a path
  plugins: [svelte(), clientBundle()],
  build: {
    outDir: app,
    emptyOutDir: true,
    target: ['chrome123', 'firefox121', 'safari17.5'], // the first with light-dark()
    assetsInlineLimit: 0, // nothing inline: the content security policy forbids it
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: { '/socket.io': { target: process.env.HUBBUB_URL ?? 'http://127.0.0.1:3001', ws: true } },
  },
});

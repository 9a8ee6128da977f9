import { mount } from 'svelte';
import './ui/tokens.css';
import './ui/base.css';
import { App } from './lib/app.svelte';
import { browserKeep } from './lib/storage';
import { Ui } from './lib/ui.svelte';
import Frame from './ui/Frame.svelte';

const path = location.pathname.slice(0, location.pathname.lastIndexOf('/') + 1);
const keep = browserKeep(path);
const app = new App(keep);
app.start();

mount(Frame, { target: document.getElementById('app')!, props: { app, ui: new Ui(keep) } });

// Chromium's own WebSocket against a server that compresses, with several parameters. Usage:
// compression.js INTEROP_COMPRESSION CHROMIUM
'use strict';
const {chromium} = require('playwright-core');
const {spawn} = require('child_process');
const assert = require('assert');

const [program, executablePath] = process.argv.slice(2);
const args = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];
const deadline = setTimeout(() => { console.error('the test takes too long'); process.exit(1); }, 100000);

function serve(settings) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['serve', ...settings.map(String)], {stdio: ['ignore', 'pipe', 'inherit']});
    const ended = new Promise(done => child.on('exit', (code, signal) => done(signal ?? code)));
    process.on('exit', () => child.kill('SIGKILL'));
    child.on('error', reject);
    let said = '';
    child.stdout.on('data', data => {
      said += data;
      const found = said.match(/listening on (http:\/\/\S+)/);
      if (found) resolve({url: found[1], stop: () => { child.kill('SIGINT'); return ended; }});
    });
  });
}

// In the page: echoes through both handlers; gives the extensions.
async function talk() {
  const text = Array.from({length: 5000}, (_, i) => `line ${i * i % 997}: grüße 🌊\n`).join('');
  const bytes = Uint8Array.from({length: 70000}, (_, i) => (i * i * 31 % 251) ^ (i >> 3 & 255));
  let agreed;
  for (const path of ['/echo', '/stream']) {
    const ws = new WebSocket(`ws://${location.host}${path}`);
    ws.binaryType = 'arraybuffer';
    const next = () => new Promise((resolve, reject) => {
      ws.onmessage = event => resolve(event.data);
      ws.onclose = event => reject(new Error(`closed with ${event.code} ${event.reason}`));
    });
    await new Promise((resolve, reject) => { ws.onopen = resolve; ws.onclose = reject; });
    agreed = ws.extensions;
    for (const message of ['', 'x', text.slice(0, 1000), text.slice(0, 1000), text, text]) {
      ws.send(message);
      if (await next() !== message) throw new Error(`${message.length} characters came back changed`);
    }
    ws.send(bytes);
    const back = new Uint8Array(await next());
    if (back.length !== bytes.length || back.some((each, i) => each !== bytes[i])) throw new Error('bytes changed');
    const closed = new Promise(resolve => { ws.onclose = resolve; });
    ws.close(1000);
    if (!(await closed).wasClean) throw new Error('not closed in order');
  }
  return agreed;
}

(async () => {
  const browser = await chromium.launch({executablePath, args, headless: true});
  for (const [settings, expected] of [
    [[15, 15, 0, 0], 'permessage-deflate; server_no_context_takeover; client_no_context_takeover'],
    [[15, 15, 1, 1], 'permessage-deflate'],
    [[9, 10, 1, 1], 'permessage-deflate; client_max_window_bits=10'],
    [[15, 8, 0, 1], 'permessage-deflate; server_no_context_takeover; client_max_window_bits=8'],
  ]) {
    const server = await serve(settings);
    const page = await (await browser.newContext()).newPage();
    await page.goto(server.url);
    assert.equal(await page.evaluate(talk), expected);
    assert.equal(await server.stop(), 0);
  }
  await browser.close();
  clearTimeout(deadline);
})().catch(error => { console.error(error); process.exit(1); });
